// Draws avatars: one JSON line {style, options} in, one JSON line (an SVG string) out. Argument: the npm folder.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const modules = pathToFileURL(`${process.argv[2]}/node_modules/@dicebear/`).href;
const { createAvatar } = await import(`${modules}core/lib/index.js`);
const styles = await import(`${modules}collection/lib/index.js`);

for await (const line of createInterface({ input: process.stdin })) {
  const { style, options } = JSON.parse(line);
  const svg = JSON.stringify(createAvatar(styles[style], options).toString());
  if (!process.stdout.write(svg + "\n")) await new Promise((done) => process.stdout.once("drain", done));
}
