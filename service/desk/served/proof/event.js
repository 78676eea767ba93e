import{microsecondsOf}from"./statement.js";
const TIME=/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$/;
const OF_SIGNING=["signing_key.registered","signing_key.endorsed","signing_key.revoked","policy.changed"];
export const isObject=(value)=>typeof value==="object"&&value!==null&&!Array.isArray(value);
export const isEvent=(value)=>isObject(value)&&Number.isInteger(value.seq)&&isObject(value.actor)&&isObject(value.data)&&typeof value.event==="string"&&(value.request_id===null||typeof value.request_id==="string")&&timeOf(value.at)!==null;
export const isOfSigning=({event})=>OF_SIGNING.includes(event);
export const isSigned=({data})=>[data.statement,data.signature].some((each)=>(each??null)!==null);
export function timeOf(text){const at=typeof text==="string"&&TIME.test(text)?microsecondsOf(text):NaN;return Number.isNaN(at)?null:at}
