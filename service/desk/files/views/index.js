// The views of the desk, each with its path below /desk. Those with `nav` stand in the navigation, in this order.
import { all } from "./all.js";
import { keys } from "./keys.js";
import { mine } from "./mine.js";
import { request } from "./request.js";
import { waiting } from "./waiting.js";

export const views = [waiting, mine, all, keys, request];
