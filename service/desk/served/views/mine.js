import{call}from"../api.js";
import{el,p,redraw,rows,viewTitle}from"../dom.js";
import{written}from"../format.js";
import{live}from"../live.js";
import{texts}from"../texts.js";
import{requestList}from"./list.js";
const MOST=100;
export default async function show(desk,{signal}){const{subject}=desk.me();const place=el("div");const pages={requester:null,recipient:null};function draw(){const known=Object.values(pages).filter(Boolean);const unique=new Map(known.flatMap(({items})=>items).map((each)=>[each.id,each]));const items=[...unique.values()].sort((one,other)=>Date.parse(other.filed_at)-Date.parse(one.filed_at));redraw(place,items.length?requestList(items):el("p",{class:"empty"},texts.list.nothing),known.some(({next_cursor:more})=>more)&&p(texts.list.older))}await Promise.all(Object.keys(pages).map((part)=>live({signal,failed:desk.failed,load:(etag)=>call("GET","/v1/requests",{query:{[part]:subject,limit:MOST},etag,signal}),draw(page){pages[part]=page;draw()}})));return el("div",{},viewTitle(texts.nav.mine),rows([texts.list.userName,written(subject)]),el("p",{class:"hint"},texts.list.userNameHint),place)}
