import{UNSEEN}from"./bytes.js";
import{readCanonical}from"./canonical.js";
import{Fault}from"./fault.js";
const LARGEST_BYTES=16*1024;
const LONGEST_PERSON=1024;
const OWN={decision:["request_id","digest","decision","person"],registration:["person","key"],enrolment:["endorser","person","key"]};
const SHA256=/^[0-9a-f]{64}$/;
const FORMS={service:/^[!-*,-~]{1,200}$/,request_id:/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,digest:SHA256,decision:/^(approve|reject)$/,key:/^[a-z0-9@.-]{1,64} [A-Za-z0-9+/]{1,8192}={0,2}$/,at:/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$/};
export const namespaceOf=(kind)=>`${kind}@rootquorum`;
export const instant=(date)=>`${date.toISOString().slice(0, 19)}Z`;
export function readStatement(bytes,kind){try{const statement=readCanonical(bytes.length<=LARGEST_BYTES?bytes:new Uint8Array());if(isStatement(statement,kind))return statement}catch(error){if(!(error instanceof Fault))throw error}throw new Fault("not-a-statement")}
export function microsecondsOf(text){const seconds=`${text.slice(0, 19)}Z`;const at=Date.parse(seconds);const isReal=!Number.isNaN(at)&&!text.startsWith("0000")&&instant(new Date(at))===seconds;return isReal?at*1000+Number(text.slice(20,-1)):NaN}
export const hasUnseen=(text)=>UNSEEN.test(text);
function isStatement(value,kind){if(typeof value!=="object"||value===null||Array.isArray(value))return false;const names=["type","service","log","at",...OWN[kind]];const marked=kind==="decision"&&value.drill===true?["drill"]:[];return hasJust(value,[...names,...marked])&&value.type===`rootquorum-${kind}/1`&&isHead(value.log)&&names.slice(3).concat("service").every((name)=>isMember(name,value[name]))}
function isHead(log){return typeof log==="object"&&log!==null&&!Array.isArray(log)&&hasJust(log,["size","root"])&&Number.isSafeInteger(log.size)&&log.size>=0&&typeof log.root==="string"&&SHA256.test(log.root)}
export const hasJust=(value,names)=>Object.keys(value).length===names.length&&names.every((name)=>Object.hasOwn(value,name));
function isMember(name,value){if(typeof value!=="string")return false;if(name==="person"||name==="endorser"){return value!==""&&[...value].length<=LONGEST_PERSON&&!hasUnseen(value)}return FORMS[name].test(value)&&(name!=="at"||!Number.isNaN(microsecondsOf(value)))}
