import{concat,equal,fromBase64,hex,lenientBase64,utf8}from"./bytes.js";
import{sha256}from"./digest.js";
import{Fault}from"./fault.js";
import{emptyRoot}from"./merkle.js";
const MOST_SIGNATURES=100;
const SIGNATURE_LINE=/^— ([^ +]+) ([A-Za-z0-9+/]+={0,2})$/s;
const SIZE=/^(?:0|[1-9][0-9]{0,15})$/;
const ED25519=1;
export async function parseVerifierKey(text){const[name,id,...rest]=text.split("+");try{const encoded=fromBase64(rest.join("+"),33);const expected=(await sha256(concat(utf8(`${name}\n`),encoded))).slice(0,4);if(name!==""&&encoded[0]===ED25519&&hex(expected)===id){return{text,name,id:expected,publicKey:encoded.slice(1)}}}catch(error){if(!(error instanceof RangeError))throw error}throw new Fault("not-a-key","this is no key of a log: a name, an id that is theirs, and Base64, with + between")}
export async function openNote(note,keys){const end=typeof note==="string"?note.lastIndexOf("\n\n"):-1;if(end<0||/[\0-\x09\x0b-\x1f]/.test(note)||!note.isWellFormed())throw notANote();const[text,signatures]=[note.slice(0,end+1),note.slice(end+2)];const lines=signatures.split("\n");if(lines.pop()!==""||lines.length===0||lines.length>MOST_SIGNATURES)throw notANote();const signers=[];for(const line of lines){const parts=SIGNATURE_LINE.exec(line);if(parts===null||parts[2].length%4!==0)throw notANote();const signature=lenientBase64(parts[2]);for(const key of keys.filter(({name,id})=>name===parts[1]&&equal(id,signature.slice(0,4)))){if(!(await isSignedBy(key.publicKey,signature.slice(4),utf8(text)))){throw new Fault("wrong-signature","a known key's signature is not of this text")}signers.push(key)}}if(signers.length===0)throw new Fault("unknown-signer","none of the given keys signed it");return{text,signers}}
export async function openCheckpoint(note,keys){const{text,signers}=await openNote(note,keys);const lines=text.slice(0,-1).split("\n");const head=await readHead(lines.slice(1));if(!signers.some(({name})=>name===lines[0])){throw new Fault("wrong-origin","the key that signed it is another log's")}return{origin:lines[0],signers,...head}}
export async function unverifiedHead(note){const end=typeof note==="string"?note.lastIndexOf("\n\n"):-1;if(end<0)throw notANote();const lines=note.slice(0,end).split("\n");return{origin:lines[0],signers:[],...(await readHead(lines.slice(1)))}}
export const parseHead=(text)=>readHead(text.split(":"));
async function readHead([size,root,...more]){try{if(SIZE.test(size)&&more.length===0){const head={size:Number(size),root:fromBase64(root,32)};if(head.size>0||equal(head.root,await emptyRoot()))return head}}catch(error){if(!(error instanceof RangeError))throw error}throw new Fault("not-a-checkpoint","a head is a size in decimal, and a root in Base64")}
const notANote=()=>new Fault("not-a-note","expected text, an empty line, and lines of signatures, 100 at most");
export async function isSignedBy(publicKey,signature,bytes){try{const key=await crypto.subtle.importKey("raw",publicKey,"Ed25519",false,["verify"]);return await crypto.subtle.verify("Ed25519",key,signature,bytes)}catch(error){if(error.name==="DataError")return false;throw error}}
