// The second device of the same person: logs in, connects over the other path with the other parser, WebSocket at once.
//   node second_device.mjs URL EMAIL PASSWORD [SINCE]
// With TOKEN in the environment it connects with that and logs nobody in.
import parser from "socket.io-msgpack-parser";
import { connect, obey, post, print } from "./device.mjs";

const [url, email, password, since] = process.argv.slice(2);
let token = process.env.TOKEN;
if (!token) {
  const signedIn = await post(url, "/v1/auth/login", { email, password });
  print("logged_in", signedIn);
  token = signedIn.access_token;
}
const auth = { token, device_id: "second", ...(since === undefined ? {} : { since: Number(since) }) };
await obey(connect(url, { auth, parser, path: "/socket.io-msgpack/", transports: ["websocket"] }));
