// Makes the replica set and the server's user; what is there already stays as it is.
const admin = new Mongo(`mongodb://admin:${process.env.ROOT_PASSWORD}@mongo:27017/?directConnection=true`).getDB("admin");

try {
  admin.runCommand({ replSetInitiate: { _id: "rs0", members: [{ _id: 0, host: "mongo:27017" }] } });
} catch (refusal) {
  if (refusal.codeName !== "AlreadyInitialized") throw refusal;
}
while (!admin.hello().isWritablePrimary) sleep(200);

if (admin.getUser("lifebuddy") === null) {
  admin.createUser({
    user: "lifebuddy",
    pwd: process.env.SERVER_PASSWORD,
    roles: [{ role: "readWrite", db: "lifebuddy" }, { role: "dbAdmin", db: "lifebuddy" }, "clusterMonitor"],
  });
}
