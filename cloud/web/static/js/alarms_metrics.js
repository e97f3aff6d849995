// The metrics page: its chart; all numbers come from the server.
import { RateChart } from "./alarms_rate.js";
import { pageData } from "./words.js";

const facts = pageData("facts");
new RateChart("metrics-chart", facts).set(facts.rates);
