import{textOf,utf8}from"./bytes.js";
import{sha256}from"./digest.js";
import{Fault}from"./fault.js";
const DEEPEST=400;
const NUMBER=/-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
const STRING=/"[^"\\\0-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\0-\x1f]*)*"/y;
const SPACE=/[ \t\n\r]*/y;
const WORDS=new Map([["true",true],["false",false],["null",null]]);
export function canonicalText(value){if(value===null||typeof value==="boolean"||typeof value==="string")return JSON.stringify(value);if(typeof value==="number"&&Number.isSafeInteger(value))return String(value);if(Array.isArray(value))return`[${value.map(canonicalText).join(",")}]`;if(typeof value!=="object")throw new TypeError("this has no canonical form");const members=Object.keys(value).sort().map((name)=>{if(!isAscii(name))throw new TypeError("names in canonical JSON are ASCII");return`${JSON.stringify(name)}:${canonicalText(value[name])}`});return`{${members.join(",")}}`}
export function canonical(value){if(!isWellFormed(value))throw new RangeError("a lone surrogate has no bytes");return utf8(canonicalText(value))}
export const digestOf=(value)=>sha256(canonical(value));
function isWellFormed(value){if(typeof value==="string")return value.isWellFormed();return typeof value!=="object"||value===null||Object.values(value).every(isWellFormed)}
const isAscii=(name)=>/^[\0-\x7f]*$/.test(name);
export function readJson(text,{plain=true}={}){let at=0;const refuse=()=>{throw new Fault("not-json","this is not JSON that every reader reads alike")};function match(pattern){pattern.lastIndex=at;const found=pattern.exec(text);if(found!==null)at=pattern.lastIndex;return found}function skip(mark){match(SPACE);if(text[at]!==mark)return false;at+=1;return true}function string(){match(SPACE);const found=match(STRING);return found===null?refuse():JSON.parse(found[0])}function number(){const found=match(NUMBER);if(found===null)return refuse();const value=Number(found[0]);const isPlain=found[1]===undefined&&found[2]===undefined&&Number.isSafeInteger(value);return plain&&!isPlain?refuse():value}function object(depth){const members=Object.create(null);if(skip("}"))return members;do{const name=string();if(Object.hasOwn(members,name)||(plain&&!isAscii(name))||!skip(":"))refuse();members[name]=value(depth)}while(skip(","));return skip("}")?members:refuse()}function list(depth){const items=[];if(skip("]"))return items;do items.push(value(depth));while(skip(","));return skip("]")?items:refuse()}function value(depth){if(depth>DEEPEST)refuse();if(skip("{"))return object(depth+1);if(skip("["))return list(depth+1);if(text[at]==='"')return string();for(const[word,meaning]of WORDS){if(text.startsWith(word,at)){at+=word.length;return meaning}}return number()}const whole=value(0);match(SPACE);return at===text.length?whole:refuse()}
export function readCanonical(bytes){try{return readCanonicalText(textOf(bytes))}catch(error){throw error instanceof TypeError?new Fault("not-json","this is not UTF-8"):error}}
export function readCanonicalText(text){const value=readJson(text);if(canonicalText(value)!==text||!isWellFormed(value)){throw new Fault("not-canonical","this is not in its canonical form")}return value}
