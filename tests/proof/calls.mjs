// Calls functions of the desk's proof modules: one call a line, [module, function, ...arguments], one answer a line.
// Bytes are {"bytes": "<hex>"} and sets {"set": […]} both ways; of a Map come the entries. An answer is {"value"}, or
// {"fault"} with the code of a refusal.
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const folders = process.argv.slice(2).map((folder) => pathToFileURL(`${folder}/`));

function given(name, value) {
  if (typeof value?.bytes === "string") return Uint8Array.from(Buffer.from(value.bytes, "hex"));
  return Array.isArray(value?.set) ? new Set(value.set) : value;
}

function answer(name, value) {
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString("hex") };
  if (value instanceof Set) return { set: [...value] };
  return value instanceof Map ? [...value] : value;
}

// The faults of an event about keys in a log that has this root at this size.
async function learned({ service, size, root, signing }, event) {
  const { pastOfLog, Signatures } = await import(new URL("signatures.js", folders[1]));
  const signatures = new Signatures(service, pastOfLog(new Map([[size, root]]), []));
  await signatures.learn({ event: "policy.changed", seq: 0, data: { rulebook: { signing } } });
  return signatures.learn(event);
}

async function call([module, name, ...values]) {
  if (module === "calls") return { value: await learned(...values) };
  const file = folders.map((folder) => new URL(`${module}.js`, folder)).find(existsSync);
  const found = (await import(file))[name];
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
