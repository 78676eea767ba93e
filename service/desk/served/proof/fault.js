class e extends Error{constructor(t,r=t){super(r),this.name="Fault",this.code=t}}export{e as Fault};
