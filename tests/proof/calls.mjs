// Calls functions of the desk's proof modules: one call a line, [module, function, ...arguments], one answer a line.
// Bytes are {"bytes": "<hex>"} both ways. An answer is {"value"}, or {"fault"} with the code of a refusal.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const folder = pathToFileURL(process.argv[2] + "/");

const given = (name, value) =>
  typeof value?.bytes === "string" && Object.keys(value).length === 1
    ? Uint8Array.from(Buffer.from(value.bytes, "hex"))
    : value;
const answer = (name, value) =>
  value instanceof Uint8Array ? { bytes: Buffer.from(value).toString("hex") } : value;

async function call([module, name, ...values]) {
  const found = (await import(new URL(`${module}.js`, folder)))[name];
  try {
    return { value: typeof found === "function" ? ((await found(...values)) ?? null) : found };
  } catch (error) {
    if (error.name !== "Fault" && error.name !== "RangeError") throw error;
    return { fault: error.code ?? error.name };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await call(JSON.parse(line, given)), answer) + "\n");
}
