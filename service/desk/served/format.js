import{el}from"./dom.js";
import{inWords}from"./proof/briefing.js";
import{UNSEEN}from"./proof/bytes.js";
import{texts}from"./texts.js";
const HIDDEN=new RegExp(`${UNSEEN.source}|[\\p{Zl}\\p{Zp}]`,"u");
const PIECES=new RegExp(`(${HIDDEN.source})`,"u");
export function written(text,name="span"){const pieces=String(text).split(PIECES).filter((piece)=>piece!=="");return el(name,{class:"written",dir:"auto"},pieces.map((piece)=>HIDDEN.test(piece)&&piece!=="\n"?el("span",{class:"unseen"},codePoint(piece)):piece))}
const codePoint=(character)=>`U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
export function mailbox(address){return el("span",{class:"written"},String(address).split(/([^!-~])/u).filter((piece)=>piece!=="").map((piece)=>/[^!-~]/u.test(piece)?el("span",{class:"unseen"},codePoint(piece)):piece))}
export function grouped(id,size){const parts=String(id).match(new RegExp(`.{1,${size}}`,"gsu"))??[];return el("span",{class:"id"},parts.map((part)=>el("span",{},part)))}
export const target=(id)=>(/^[A-Z0-9]{16,128}$/.test(id)?grouped(id,4):written(id));
export const accountId=(id)=>grouped(id,4);
export const hash=(hex)=>grouped(hex,8);
export const account=({account_id:id,name})=>el("span",{class:"account"},name&&name!==id?[written(name,"strong")," "]:null,accountId(id));
export const person=({name,subject})=>el("span",{class:"person"},written(name),name===subject?null:[" ",el("small",{},written(subject))]);
export function ticket(text){const url=URL.canParse(text)?new URL(text):null;if(url?.protocol!=="https:")return written(text);return el("a",{href:url.href,rel:"noreferrer noopener",target:"_blank"},written(text))}
export const duration=inWords;
const PERIOD=/^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/;
export function secondsOf(period){const parts=PERIOD.exec(period);if(!parts)throw new RangeError("no duration");return parts.slice(1).reduce((sum,part,at)=>sum+Number(part??0)*[604800,86400,3600,60,1][at],0)}
export const utc=(at)=>`${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC`;
export function fromNow(at,now=Date.now()){const seconds=Math.round((new Date(at).getTime()-now)/1000);const away=Math.abs(seconds);if(away<60)return seconds>0?texts.soon:texts.justNow;const words=inWords(away-(away%(away>=86_400?3600:60)));return seconds>=0?texts.in(words):texts.ago(words)}
export function clock(at){return el("time",{class:"clock",datetime:at},el("span",{"data-clock":at},fromNow(at))," ",el("small",{},utc(at)))}
export function tick(){for(const each of document.querySelectorAll("[data-clock]")){const words=fromNow(each.dataset.clock);if(each.textContent!==words)each.textContent=words}}
