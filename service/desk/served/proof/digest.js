export{hex}from"./bytes.js";
const hashing=(name)=>async(bytes)=>new Uint8Array(await crypto.subtle.digest(name,bytes));
export const sha256=hashing("SHA-256");
export const sha512=hashing("SHA-512");
export const groups=(text,size=4)=>text.match(new RegExp(`.{1,${size}}`,"gsu"))??[];
