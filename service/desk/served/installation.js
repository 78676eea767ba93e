const{root,signIns,rpId}=document.body.dataset;
export{root};
export const issuers=JSON.parse(signIns);
export const relyingParty=rpId||null;
