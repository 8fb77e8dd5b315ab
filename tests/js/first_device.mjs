// The first device: registers, connects as socket.io-client does by default (JSON, polling, then upgrade to WebSocket).
//   node first_device.mjs URL EMAIL PASSWORD [SINCE]
// With TOKEN in the environment it connects with that and registers nobody; LOG is the log its SINCE was counted in.
// With RETRIES it asks again by itself, so often, for what is not answered.
import { connect, obey, post, print } from "./device.mjs";

const [url, email, password, since] = process.argv.slice(2);
let token = process.env.TOKEN;
if (!token) {
  const signedIn = await post(url, "/v1/auth/register", { email, password, name: "Ann", tz: "Europe/Paris" });
  print("registered", signedIn);
  token = signedIn.access_token;
}
const auth = { token, device_id: "first", ...(since === undefined ? {} : { since: Number(since) }) };
if (process.env.LOG) auth.log = process.env.LOG;
const again = process.env.RETRIES ? { retries: Number(process.env.RETRIES), ackTimeout: 1_000 } : {};
await obey(connect(url, { auth, ...again }));
