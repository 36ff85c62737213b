/*
 * When the team is here, by the visitor's own clock. The words are English, as all of the chat's are; how a
 * time is written is the visitor's choice.
 */

const DAY_MS = 86_400_000;
const WORDS = /^en\b/i.test(navigator.language) ? navigator.language : "en-GB";
const { hourCycle, timeZone } = new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions();

/** A sentence made of the server's answer; "" where it promises nothing. */
export function whenHere({ is_open: isOpen, closes_at: closes, opens_at: opens, time_zone: teams }) {
  const yours = timeZone === teams ? "" : " your time";
  if (isOpen) {
    const isSoon = closes && Date.parse(closes) - Date.now() < DAY_MS; // else its time would be taken for today's
    return isSoon ? `Our team is here now, until ${clock(closes)}${yours}.` : "Our team is here now.";
  }
  return isOpen === false && opens ? `Our team is back ${day(opens)} at ${clock(opens)}${yours}.` : "";
}

function clock(time) {
  return written(time, { hour: "numeric", minute: "2-digit", hourCycle });
}

/** With its date from a week on: a weekday alone would be taken for this week's. */
function day(time) {
  const days = Math.round((midnight(time) - midnight(Date.now())) / DAY_MS);
  if (days === 0) return "today";
  return `on ${written(time, { weekday: "long", ...(days > 6 && { day: "numeric", month: "long" }) })}`;
}

function midnight(time) {
  return new Date(time).setHours(0, 0, 0, 0);
}

function written(time, options) {
  return new Intl.DateTimeFormat(WORDS, options).format(new Date(time));
}
