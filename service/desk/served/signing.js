import{Refused}from"./api.js";
import{compareHead}from"./heads.js";
import{relyingParty}from"./installation.js";
import{base64,utf8}from"./proof/bytes.js";
import{Fault}from"./proof/fault.js";
import{SK_ECDSA,fromPasskey,parsePublicKey}from"./proof/keys.js";
import{pack,toBeSigned,verify}from"./proof/sshsig.js";
import{namespaceOf,readStatement}from"./proof/statement.js";
import{texts}from"./texts.js";
const CLOCKS_DIFFER_BY=5*60_000;
export const takesPasskeys=()=>relyingParty!==null&&window.isSecureContext&&Boolean(window.PublicKeyCredential);
export const passkeysOf=(keys)=>keys.filter(({key,kind})=>kind===SK_ECDSA&&parsePublicKey(key).application===relyingParty);
export async function checkStatement(text,kind,expected,signal){let said;try{said=readStatement(utf8(text),kind)}catch(error){if(!(error instanceof Fault||error instanceof RangeError))throw error;throw new Refused(texts.signing.noStatement)}for(const[name,value]of Object.entries(expected)){if(said[name]!==value)throw new Refused(texts.signing.another(name))}if(Math.abs(Date.parse(said.at)-Date.now())>CLOCKS_DIFFER_BY)throw new Refused(texts.signing.clocks);return{said,seen:await compareHead(said,signal)}}
export async function sign(text,kind,keys,credential){const message=utf8(text);const namespace=namespaceOf(kind);const{response}=await asked("get",{challenge:await toBeSigned(message,namespace),rpId:relyingParty,userVerification:"required",allowCredentials:credential?[{type:"public-key",id:credential}]:[]});const assertion=Object.fromEntries(["authenticatorData","clientDataJSON","signature"].map((name)=>[name,new Uint8Array(response[name])]));for(const key of keys){try{const signature=await pack(assertion,parsePublicKey(key),namespace);await verify(signature,message,namespace);return signature}catch(error){if(!(error instanceof Fault))throw error}}throw new Refused(texts.signing.otherKey)}
export async function makePasskey(me,name){const random=(size)=>crypto.getRandomValues(new Uint8Array(size));const made=await asked("create",{challenge:random(32),attestation:"none",rp:{id:relyingParty,name:texts.title},user:{id:random(32),name:`${me.name}: ${name}`,displayName:`${me.name}: ${name}`},pubKeyCredParams:[{type:"public-key",alg:-7}],authenticatorSelection:{residentKey:"required",requireResidentKey:true,userVerification:"required"}});const spki=new Uint8Array(made.response.getPublicKey()??[]);try{return{credential:made.rawId,key:fromPasskey(spki,relyingParty).text,spki:base64(spki)}}catch(error){if(!(error instanceof Fault))throw error;throw new Refused(texts.signing.unsupported)}}
async function asked(how,publicKey){if(!takesPasskeys())throw new Refused(texts.signing.noPasskeys);try{return await navigator.credentials[how]({publicKey})}catch(error){if(!(error instanceof DOMException))throw error;throw new Refused(error.name==="SecurityError"?texts.signing.wrongSite(relyingParty):texts.signing.cancelled)}}
