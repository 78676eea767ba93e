export class Fault extends Error{constructor(code,message=code){super(message);this.name="Fault";this.code=code}}
