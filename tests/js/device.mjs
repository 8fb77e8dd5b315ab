// A device of a test: a stock socket.io-client that prints one JSON line for everything it sees, and sends what it is
// told on standard input: {"emit": name, "body": {…}} prints {"saw": "ack", "name": …, "data": …}; {"end": true} ends.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

export const print = (saw, data, rest = {}) => console.log(JSON.stringify({ saw, data: data ?? null, ...rest }));

export async function post(url, path, body, headers = {}) {
  const answer = await fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return { status: answer.status, ...(await answer.json()) };
}

export function connect(url, options) {
  const socket = io(url, { reconnectionDelay: 200, ...options });
  const transport = () => socket.io.engine?.transport?.name;
  const watch = () => socket.io.engine.once("upgrade", () => print("upgrade", { transport: transport() }));
  watch();
  socket.io.on("reconnect_attempt", () => setImmediate(watch));
  socket.on("connect", () => print("connect", { transport: transport() }));
  socket.on("disconnect", (reason) => print("disconnect", { reason }));
  socket.on("connect_error", (error) => print("connect_error", { message: error.message, data: error.data }));
  socket.onAny((name, data) => {
    if (name === "event") socket.auth.since = data.seq;
    if (name === "session.resync") startAnew(url, socket, data);
    if (name === "session.ready") socket.auth.since ??= data.seq;
    print(name, data);
  });
  return socket;
}

// What the log can't take on: the snapshot is the new start, and what comes after its seq goes on from there.
async function startAnew(url, socket, { snapshot_url }) {
  const answer = await fetch(url + snapshot_url, { headers: { authorization: `Bearer ${socket.auth.token}` } });
  const snapshot = await answer.json();
  socket.auth.since = snapshot.seq;
  print("snapshot", snapshot);
}

export async function obey(socket) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { emit, body, end } = JSON.parse(line);
    if (end) break;
    const asked = socket.io.opts.retries ? socket : socket.timeout(20_000);
    const answer = await asked.emitWithAck(emit, body).catch((error) => ({ ok: false, error: String(error) }));
    print("ack", answer, { name: emit });
  }
  socket.disconnect();
}
