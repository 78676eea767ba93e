import{el as t}from"./dom.js";function n(o,c,r){const e=URL.createObjectURL(new Blob([r],{type:c}));t("a",{href:e,download:o}).click(),URL.revokeObjectURL(e)}export{n as save};
