import{base64,concat,equal,fromBase64,hex,utf8}from"./bytes.js";
import{sha256}from"./digest.js";
import{Fault}from"./fault.js";
import{Reader,string}from"./wire.js";
import{words}from"./words.js";
export const ED25519="ssh-ed25519";
export const ECDSA="ecdsa-sha2-nistp256";
export const RSA="ssh-rsa";
export const SK_ED25519="sk-ssh-ed25519@openssh.com";
export const SK_ECDSA="sk-ecdsa-sha2-nistp256@openssh.com";
const CURVE="nistp256";
const LONGEST_APPLICATION=255;
const SPOKEN_BYTES=16;
const[SMALLEST_RSA_BITS,LARGEST_RSA_BITS,RSA_EXPONENT]=[3072,16384,"010001"];
const SPKI=Uint8Array.from([0x30,0x59,0x30,0x13,0x06,0x07,0x2a,0x86,0x48,0xce,0x3d,0x02,0x01,0x06,0x08,0x2a,0x86,0x48,0xce,0x3d,0x03,0x01,0x07,0x03,0x42,0x00]);
const P25519=2n**255n-19n;
const Y8=2707385501144840649318225287225658788936804267575313519463743609750303021454n;
const SMALL_ORDER=new Set([0n,1n,P25519-1n,Y8,P25519-Y8]);
const P256=2n**256n-2n**224n+2n**192n+2n**96n-1n;
const B256=0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
export function parsePublicKey(text){let key;try{key=fromBlob(fromBase64(text.slice(text.indexOf(" ")+1)))}catch(error){throw error instanceof RangeError?new Fault("malformed"):error}if(key.text!==text)throw new Fault("malformed");return key}
export function fromBlob(blob){const reader=new Reader(blob);const kind=reader.text();const raw=material(kind,reader);const application=kind.startsWith("sk-")?reader.text():"";if(kind.startsWith("sk-")&&!/^[^ ]+$/.test(application))throw new Fault("malformed");if(application.length>LONGEST_APPLICATION)throw new Fault("malformed");reader.end();return{kind,blob,application,text:`${kind} ${base64(blob)}`,raw}}
export function fromPasskey(spki,rpId){if(!equal(spki.slice(0,SPKI.length),SPKI))throw new Fault("unsupported-key");const parts=[utf8(SK_ECDSA),utf8(CURVE),spki.slice(SPKI.length),utf8(rpId)];return fromBlob(concat(...parts.map(string)))}
export const fingerprint=async(key)=>`SHA256:${base64(await sha256(key.blob)).replace(/=+$/, "")}`;
export async function sealedToOf(text){try{const blob=fromBase64(text.slice(text.indexOf(" ")+1));return text.includes(" ")&&blob.length>0?await fingerprint({blob}):text}catch(error){if(error instanceof RangeError)return text;throw error}}
export const spokenWords=async(key)=>words((await sha256(key.blob)).slice(0,SPOKEN_BYTES));
function material(kind,reader){switch(kind){case ED25519:case SK_ED25519:return ed25519(reader.string());case ECDSA:case SK_ECDSA:if(reader.text()!==CURVE)throw new Fault("malformed");return p256(reader.string());case RSA:return rsa(reader.positive(),reader.positive());default:throw new Fault("unsupported-key")}}
function ed25519(raw){if(raw.length!==32)throw new Fault("malformed");const y=BigInt(`0x${hex(raw.toReversed())}`)&(2n**255n-1n);if(y>=P25519)throw new Fault("malformed");if(SMALL_ORDER.has(y))throw new Fault("weak-key");return raw}
function p256(point){if(point.length!==65||point[0]!==4)throw new Fault("malformed");const[x,y]=[point.slice(1,33),point.slice(33)].map((half)=>BigInt(`0x${hex(half)}`));if(x>=P256||y>=P256||(y*y-(x*x*x-3n*x+B256))%P256!==0n)throw new Fault("malformed");return point}
function rsa(e,n){const bits=n.length*8-Math.clz32(n[0])+24;if(bits<SMALLEST_RSA_BITS||bits>LARGEST_RSA_BITS||hex(e)!==RSA_EXPONENT)throw new Fault("weak-key");if(n.at(-1)%2===0)throw new Fault("malformed");return{n,e}}
