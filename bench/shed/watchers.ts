/** Pages that watch the event stream, in a process of their own: `node watchers.ts URL COUNT`. */
import { get } from 'node:http';

const [url = '', count = '0'] = process.argv.slice(2);
let bytes = 0;
let open = 0;
// From an address each: one that opens too many streams is refused.
for (let n = 0; n < Number(count); n += 1) {
  get(`${url}/api/v1/events`, { agent: false, localAddress: `127.0.1.${n + 1}` }, (response) => {
    if (response.statusCode !== 200) throw new Error(`the event stream answers ${response.statusCode}`);
    open += 1;
    if (open === Number(count)) process.send?.({ type: 'ready' });
    response.on('data', (part: Buffer) => (bytes += part.length));
  });
}
process.on('message', () => process.send?.({ type: 'bytes', bytes, open }));
process.on('disconnect', () => process.exit(0));
