const{root:t,signIns:o,rpId:e,help:r}=document.body.dataset,s=JSON.parse(o),n=e||null;export{r as help,s as issuers,n as relyingParty,t as root};
