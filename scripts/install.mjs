/**
 * npm's install script of the package: set-up, so that `npm install` is all that a user runs. In a source
 * checkout `npm ci` runs it too; there it does nothing, for set-up itself calls `npm ci`.
 */
import { isCheckout } from "./setup/project.mjs";
import { reportingFailure, setUp } from "./setup.mjs";

if (!isCheckout) await reportingFailure(() => setUp());
