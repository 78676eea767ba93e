import{concat,equal}from"./bytes.js";
import{sha256}from"./digest.js";
const LEAF=Uint8Array.of(0);
const NODE=Uint8Array.of(1);
export const leafHash=(leaf)=>sha256(concat(LEAF,leaf));
export const nodeHash=(left,right)=>sha256(concat(NODE,left,right));
export const emptyRoot=()=>sha256(new Uint8Array());
export async function rootFromInclusion(index,size,leaf,proof){if(!areSizes(index,size)||index>=size)throw new RangeError("the log has no such leaf");return(await climb(index,size-1,leaf,proof)).larger}
export async function isConsistent(first,second,firstRoot,secondRoot,proof){if(!areSizes(first,second)||first===0||first>second)return false;let[at,last]=first<second?[first-1,second-1]:[0,0];for(;at%2===1;at=half(at))last=half(last);const path=at>0?proof:[firstRoot,...proof];if(path.length===0)return false;try{const roots=await climb(at,last,path[0],path.slice(1));return equal(roots.smaller,firstRoot)&&equal(roots.larger,secondRoot)}catch(error){if(error instanceof RangeError)return false;throw error}}
async function climb(at,last,node,path){let[smaller,larger]=[node,node];for(const sibling of path){if(last===0)throw new RangeError("the proof is too long");if(at%2===1||at===last){smaller=await nodeHash(sibling,smaller);larger=await nodeHash(sibling,larger);while(at>0&&at%2===0)[at,last]=[half(at),half(last)]}else{larger=await nodeHash(larger,sibling)}[at,last]=[half(at),half(last)]}if(last>0)throw new RangeError("the proof is too short");return{smaller,larger}}
export const half=(number)=>Math.floor(number/2);
const areSizes=(...sizes)=>sizes.every((size)=>Number.isSafeInteger(size)&&size>=0);
