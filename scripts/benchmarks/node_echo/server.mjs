// The baseline of the socket rows in Node: answers at once, keeps nothing. Argument: the port to listen on.
import { createServer } from "node:http";
import { Server } from "socket.io";

const port = Number(process.argv[2]);
const http = createServer();
const io = new Server(http);
io.on("connection", (socket) => {
  socket.on("sync", (_body, ack) => ack({ ok: true, events: [], seq: 1, more: false }));
});
http.listen(port, "127.0.0.1", 1024, () => console.log(`ready http://127.0.0.1:${port}`));
