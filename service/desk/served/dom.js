export function el(name,attributes={},...children){const made=document.createElement(name);for(const[attribute,value]of Object.entries(attributes)){if(typeof value==="function")made.addEventListener(attribute,value);else if(value===true)made.setAttribute(attribute,"");else if(value!==false&&value!==null&&value!==undefined)made.setAttribute(attribute,value)}made.append(...flat(children));return made}
export function fill(place,...children){place.replaceChildren(...flat(children))}
export function redraw(place,...children){const focused=place.contains(document.activeElement)?nameOf(document.activeElement):null;const open=new Set([...place.querySelectorAll("details[open] > summary")].map(nameOf));fill(place,...children);for(const each of place.querySelectorAll("summary, a[href], button")){if(open.has(nameOf(each)))each.parentElement.open=true;if(nameOf(each)===focused)each.focus({preventScroll:true})}}
const nameOf=(element)=>element.getAttribute("href")??element.textContent;
function flat(children){return children.flat(Infinity).filter((child)=>child!==null&&child!==undefined&&child!==false)}
export function button(text,act,attributes={}){const made=el("button",{type:"button",...attributes,click:async()=>{if(made.getAttribute("aria-disabled")==="true")return;made.setAttribute("aria-disabled","true");try{await act()}finally{made.removeAttribute("aria-disabled")}}},text);return made}
export function form(act,...children){let busy=false;return el("form",{novalidate:true,submit:async(event)=>{event.preventDefault();if(busy)return;busy=true;try{await act(event)}finally{busy=false}}},...children)}
let counter=0;
export function field(label,{hint,kind="input",options,...attributes}={}){const id=`field-${(counter += 1)}`;const input=el(kind,{id,...attributes,"aria-describedby":hint?`${id}-hint`:null});for(const[value,text]of options??[])input.append(el("option",{value},text));const box=el("div",{class:"field"},el("label",{for:id},label),hint&&el("p",{class:"hint",id:`${id}-hint`},hint),input);return{box,input}}
export const p=(...children)=>el("p",{},...children);
export const bullets=(items)=>el("ul",{},items.map((each)=>el("li",{},each)));
export const viewTitle=(...children)=>el("h1",{tabindex:"-1"},...children);
export const choices=(...children)=>el("div",{class:"actions"},...children);
export function rows(...pairs){return el("dl",{},pairs.filter(([,value])=>value!==null&&value!==undefined&&value!==false).map(([name,value])=>el("div",{},el("dt",{},name),el("dd",{},value))))}
export function folded(title,...children){return el("details",{},el("summary",{},title),el("div",{},...children))}
export function notice(kind,title,...children){return el("section",{class:`notice ${kind}`,role:kind==="problem"?"alert":null},title&&el("strong",{},title),...children)}
