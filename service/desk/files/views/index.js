// The views of the desk, each with its path below /desk. Those with `nav` stand in the navigation, in this order.
import { request } from "./request.js";
import { waiting } from "./waiting.js";

export const views = [waiting, request];
