const{root:t,signIns:o,rpId:s}=document.body.dataset,r=JSON.parse(o),e=s||null;export{r as issuers,e as relyingParty,t as root};
