import{Problem}from"./api.js";
import{acted}from"./acting.js";
import{el,fill}from"./dom.js";
import{texts}from"./texts.js";
let counter=0;
export function blamable(box,input){const hint=input.getAttribute("aria-describedby");const fault=el("p",{class:"fault",id:`fault-${(counter += 1)}`,hidden:true});box.append(fault);return{box,input,isBlamed:()=>!fault.hidden,blame(reason){fill(fault,reason);fault.hidden=reason===null;input.setAttribute("aria-invalid",String(reason!==null));const described=[hint,reason!==null&&fault.id].filter(Boolean).join(" ");if(described)input.setAttribute("aria-describedby",described);else input.removeAttribute("aria-describedby")}}}
export async function sent(desk,place,fields,act){for(const each of Object.values(fields))each.blame(null);const isDone=await acted(desk,place,async()=>{try{await act()}catch(error){if(error instanceof Problem&&error.errors.length>0){error.errors=error.errors.filter((wrong)=>!isSaidAt(fields,wrong));if(error.errors.length===0)error.detail=texts.problem.atFields}throw error}});if(!isDone)Object.values(fields).find((each)=>each.isBlamed())?.input.focus();return isDone}
function isSaidAt(fields,{location:[place,name],reason}){if(place!=="body"||!Object.hasOwn(fields,name))return false;fields[name].blame(inWords(reason));return true}
function inWords(reason){if(reason==="Field required")return texts.problem.required;return reason.startsWith("String should match pattern")?texts.problem.form:reason}
