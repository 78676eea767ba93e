import{el}from"./dom.js";
export function save(name,type,text){const url=URL.createObjectURL(new Blob([text],{type}));el("a",{href:url,download:name}).click();URL.revokeObjectURL(url)}
