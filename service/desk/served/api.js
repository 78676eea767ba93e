import{root}from"./installation.js";
let token=null;
export function setToken(value){token=value}
export const hasToken=()=>token!==null;
export class Problem extends Error{constructor(status,{code="internal",title="",detail="",errors=[]}={}){super(detail||title);Object.assign(this,{status,code,title,detail:detail||title,errors})}}
export class Offline extends Error{}
export class Refused extends Error{}
const heard=new Set();
export function onConnection(listener){heard.add(listener)}
export async function call(method,path,{query={},body,headers={},etag,signal,seconds=60,as}={}){const wanted=Object.entries(query).filter(([,value])=>value!==null&&value!==undefined&&value!=="");const url=`${root}${path}${wanted.length ? `?${new URLSearchParams(wanted)}` : ""}`;const sent={Accept:"application/json",...headers};if(token!==null)sent.Authorization=`Bearer ${token}`;if(etag)sent["If-None-Match"]=etag;if(body!==undefined)sent["Content-Type"]="application/json";const limits=[AbortSignal.timeout(seconds*1000),...(signal?[signal]:[])];let answer,text;try{answer=await fetch(url,{method,headers:sent,signal:AbortSignal.any(limits),body:body===undefined?undefined:JSON.stringify(body),mode:"same-origin",credentials:"omit",cache:"no-store",redirect:"error",referrerPolicy:"no-referrer"});text=await answer.text()}catch{signal?.throwIfAborted();heard.forEach((listener)=>listener(false));throw new Offline()}heard.forEach((listener)=>listener(true));if(answer.status===304)return{status:304,etag};const document=parsed(text);if(!answer.ok)throw new Problem(answer.status,document??{});return{status:answer.status,body:as==="text"?text:document,etag:answer.headers.get("ETag")}}
function parsed(text){try{return JSON.parse(text)}catch{return null}}
export const get=async(path,options)=>(await call("GET",path,options)).body;
export const post=async(path,body,options)=>(await call("POST",path,{...options,body})).body;
export async function module(load){try{return await load()}catch(error){if(!(error instanceof TypeError))throw error;heard.forEach((listener)=>listener(false));throw new Offline()}}
