import{Problem,Refused,get}from"./api.js";
import{fromBase64,fromHex}from"./proof/bytes.js";
import{isConsistent}from"./proof/merkle.js";
import{texts}from"./texts.js";
let service=null;
let kept=null;
export async function compareHead(statement,signal){const{service:named,log}=statement;if(service!==null&&service!==named)throw new Refused(texts.heads.anotherService(service,named));if(log.size===0)throw new Refused(texts.heads.empty);const before=kept;const isOther=before!==null&&!(await beginsWith(before,log,signal));if(isOther)throw new Refused(texts.heads.anotherLog(before.size));[service,kept]=[named,log];return before?.size??null}
export function checkStillUnnamed(){if(service!==null)throw new Refused(texts.heads.noName)}
async function beginsWith(before,log,signal){if(log.size<before.size)return false;try{const{proof}=log.size===before.size?{proof:[]}:await get("/v1/audit/proofs/consistency",{query:{first:before.size,second:log.size},signal});const[first,second]=[before,log].map(({root})=>fromHex(root));return await isConsistent(before.size,log.size,first,second,proof.map((each)=>fromBase64(each)))}catch(error){const isRefusal=error instanceof Problem&&error.status<500&&![401,429].includes(error.status);if(isRefusal||error instanceof RangeError||error instanceof TypeError)return false;throw error}}
