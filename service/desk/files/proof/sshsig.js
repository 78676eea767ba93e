/**
 * OpenSSH's signatures of files (its PROTOCOL.sshsig), and those of passkeys in the same form (its PROTOCOL.u2f).
 *
 * OpenSSH reads more than one form of a signature. Here each has exactly one, the one that OpenSSH writes.
 */
import { base64, base64url, concat, equal, fromBase64, textOf, utf8 } from "./bytes.js";
import { readJson } from "./canonical.js";
import { sha256, sha512 } from "./digest.js";
import { Fault } from "./fault.js";
import * as keys from "./keys.js";
import { isSignedBy } from "./note.js";
import { isPositive, Reader, string } from "./wire.js";

const PREAMBLE = utf8("SSHSIG");
const VERSION = Uint8Array.of(0, 0, 0, 1);
const HASH = utf8("sha512");
const WEBAUTHN = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com";
const [BEGIN, END] = ["-----BEGIN SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n"];
const LONGEST = 16 * 1024;

// The flags of an authenticator (W3C Web Authentication, section 6.1).
const [ATTESTED, EXTENDED] = [0x40, 0x80];

/** Return what a key signs for this message (PROTOCOL.sshsig, section 3). For a passkey it is the challenge. */
export async function toBeSigned(message, namespace) {
  const parts = [utf8(namespace), new Uint8Array(), HASH, await sha512(message)];
  return concat(PREAMBLE, ...parts.map(string));
}

/** Return the armored text of a signature. `signature` begins with the name of its algorithm. */
export function armor(key, namespace, signature) {
  const parts = [key.blob, utf8(namespace), new Uint8Array(), HASH, signature];
  return armored(concat(PREAMBLE, VERSION, ...parts.map(string)));
}

/**
 * Return a browser's assertion as an armored signature, which `ssh-keygen -Y verify` checks.
 *
 * `assertion` is an AuthenticatorAssertionResponse, its members in bytes. `key` is one of `keys.fromPasskey`. This
 * verifies nothing; `verify` does. Throw a Fault (malformed, unsupported-key, wrong-site).
 */
export async function pack({ authenticatorData, clientDataJSON, signature }, key, namespace) {
  if (key.kind !== keys.SK_ECDSA) throw new Fault("unsupported-key");
  const reader = new Reader(authenticatorData);
  const [rpIdHash, flags, counter, extensions] = [reader.take(32), reader.byte(), reader.take(4), reader.rest()];
  if (!equal(rpIdHash, await sha256(utf8(key.application)))) throw new Fault("wrong-site");
  checkFlags(flags, extensions);
  const { origin } = readSite(clientDataJSON);
  const said = [utf8(origin), clientDataJSON, extensions].map(string);
  const head = [string(utf8(WEBAUTHN)), string(sshForm(signature)), Uint8Array.of(flags), counter];
  return armor(key, namespace, concat(...head, ...said));
}

/** Read an armored signature, as `{key, namespace, hash, signature}`. This verifies nothing. Throw a Fault. */
export function parse(text) {
  const reader = new Reader(unarmored(text));
  if (!equal(reader.take(10), concat(PREAMBLE, VERSION))) throw new Fault("malformed");
  const [blob, namespace, reserved, hash, signature] = Array.from({ length: 5 }, () => reader.string());
  reader.end();
  // OpenSSH ignores `reserved`. Then one signature would have many forms.
  if (reserved.length > 0) throw new Fault("malformed");
  return { key: keys.fromBlob(blob), namespace, hash, signature };
}

/**
 * Return what a signature proves: the key and, if it is in an authenticator, its assertion `{flags, counter, site}`.
 *
 * `site` is `{origin, isFramed}` if a browser asked, else null. Throw a Fault if it is not a signature of these bytes
 * in this namespace.
 */
export async function verify(text, message, namespace) {
  const { key, signature, ...said } = parse(text);
  if (!equal(said.namespace, utf8(namespace))) throw new Fault("another-namespace");
  if (!equal(said.hash, HASH)) throw new Fault("another-hash");
  return { key, assertion: await verifyWith(key, new Reader(signature), await toBeSigned(message, namespace)) };
}

const armored = (blob) => `${BEGIN}${base64(blob).replace(/.{1,70}/g, "$&\n")}${END}`;

function unarmored(text) {
  try {
    const isWhole = text.length <= LONGEST && text.startsWith(BEGIN) && text.endsWith(END);
    const blob = fromBase64(isWhole ? text.slice(BEGIN.length, -END.length).replaceAll("\n", "") : "");
    if (armored(blob) === text) return blob;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw new Fault("malformed");
}

async function verifyWith(key, reader, signed) {
  const [algorithm, raw] = [reader.text(), reader.string()];
  const inBrowser = algorithm === WEBAUTHN && key.kind === keys.SK_ECDSA;
  if (!inBrowser && algorithm !== (key.kind === keys.RSA ? "rsa-sha2-512" : key.kind)) throw new Fault("malformed");
  if (key.application === "") {
    reader.end();
    await check(key, raw, signed);
    return null;
  }
  const [flags, counter] = [reader.byte(), reader.take(4)];
  const said = inBrowser ? [reader.text(), reader.string(), reader.string()] : [null, signed, new Uint8Array()];
  const [origin, clientData, extensions] = said;
  reader.end();
  checkFlags(flags, extensions);
  const site = inBrowser ? checkClientData(clientData, origin, signed) : null;
  const application = await sha256(utf8(key.application));
  const head = concat(application, Uint8Array.of(flags), counter);
  await check(key, raw, concat(head, extensions, await sha256(clientData)));
  return { flags, counter: new Reader(counter).uint32(), site };
}

function checkFlags(flags, extensions) {
  if (flags & ATTESTED || Boolean(flags & EXTENDED) !== extensions.length > 0) throw new Fault("malformed");
}

/**
 * Return the site, if this is a browser's word on exactly this challenge and origin.
 *
 * It writes type, challenge and origin first, in this order (W3C Web Authentication, section 5.8.1.1).
 */
function checkClientData(clientData, origin, challenge) {
  if (!isPlain(origin)) throw new Fault("malformed");
  const begin = `{"type":"webauthn.get","challenge":"${base64url(challenge)}","origin":"${origin}"`;
  if (!equal(clientData.slice(0, begin.length), utf8(begin))) throw new Fault("wrong-signature");
  return readSite(clientData);
}

function readSite(clientData) {
  try {
    const said = readJson(textOf(clientData), { plain: false });
    if (typeof said.origin === "string" && isPlain(said.origin)) {
      const isFramed = ("crossOrigin" in said && said.crossOrigin !== false) || "topOrigin" in said;
      return { origin: said.origin, isFramed };
    }
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof Fault)) throw error;
  }
  throw new Fault("malformed");
}

const isPlain = (origin) => /^[ !#-[\]-~]*$/.test(origin);

async function check(key, raw, signed) {
  if (!(await isGood(key, raw, signed))) throw new Fault("wrong-signature");
}

async function isGood(key, raw, signed) {
  switch (key.kind) {
    case keys.ED25519:
    case keys.SK_ED25519:
      if (raw.length !== 64) throw new Fault("malformed");
      return isSignedBy(key.raw, raw, signed);
    case keys.RSA:
      return isSignedByRsa(key.raw, raw, signed);
    default:
      return isSignedByP256(key.raw, raw, signed);
  }
}

async function isSignedByRsa({ n, e }, raw, signed) {
  if (raw.length !== n.length) throw new Fault("malformed");
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-512" };
  const jwk = { kty: "RSA", n: base64url(n), e: base64url(e) };
  const imported = await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["verify"]);
  return crypto.subtle.verify(algorithm, imported, raw, signed);
}

async function isSignedByP256(point, raw, signed) {
  const reader = new Reader(raw);
  const numbers = [reader.positive(), reader.positive()];
  reader.end();
  if (numbers.some((number) => number.length > 32)) return false;
  // WebCrypto takes both numbers in 32 bytes each.
  const both = concat(...numbers.flatMap((number) => [new Uint8Array(32 - number.length), number]));
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  const imported = await crypto.subtle.importKey("raw", point, curve, false, ["verify"]);
  return crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, imported, both, signed);
}

/** Return an ECDSA signature in SSH's form (RFC 5656, section 3.1.2), from DER. */
function sshForm(der) {
  const reader = new Reader(der);
  if (reader.byte() !== 0x30 || reader.byte() !== der.length - 2) throw new Fault("malformed");
  const numbers = Array.from({ length: 2 }, () => {
    const isNumber = reader.byte() === 0x02;
    const number = reader.take(reader.byte());
    if (!isNumber || !isPositive(number)) throw new Fault("malformed");
    return string(number);
  });
  reader.end();
  return concat(...numbers);
}
