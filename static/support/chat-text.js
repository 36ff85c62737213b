/*
 * What the assistant writes, as nodes: paragraphs, line breaks, lists, **bold** and links, nothing else.
 * Text never becomes HTML.
 */

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** `text` as a fragment; `contact`, the support address, becomes a link wherever it stands. */
export function formatted(text, contact) {
  const out = document.createDocumentFragment();
  let block = null;
  for (const line of text.split(/\r\n|\r|\n/)) {
    const item = /^\s*(?:[-*•]|(\d{1,3})[.)])\s+(.*)$/.exec(line);
    const heading = /^#{1,6}\s+(.*)$/.exec(line);
    if (item) {
      const tag = item[1] ? "OL" : "UL";
      // A blank line between two items doesn't end their list, so look at what stands last, not at `block`.
      let list = out.lastElementChild;
      if (list?.tagName !== tag) out.append((list = el(tag, item[1] ? { start: item[1] } : {})));
      block = el("li");
      list.append(block);
      inline(block, item[2], contact);
    } else if (heading) {
      out.append(el("p", {}, el("strong", {}, heading[1].replaceAll("**", ""))));
      block = null;
    } else if (!line.trim()) {
      block = null;
    } else {
      if (block) block.append(el("br"));
      else out.append((block = el("p")));
      inline(block, line.trim(), contact);
    }
  }
  return out;
}

const INLINE = new RegExp(
  [
    /\*\*(.+?)\*\*/, // bold
    /\[([^\]\n]+)\]\((https?:\/\/[^\s)]+)\)/, // a link with a label
    /(https?:\/\/[^\s<>"*]+)/, // a link as it is
    /([\w.+-]+@[\w-]+\.[\w.-]*\w)/, // an address
  ].map((part) => part.source).join("|"),
  "gi",
);

function inline(parent, text, contact) {
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, bold, label, target, bare, address] = match;
    parent.append(text.slice(end, match.index));
    end = match.index + whole.length;
    if (bold) {
      const strong = el("strong");
      inline(strong, bold, contact);
      parent.append(strong);
    } else if (address) {
      parent.append(address.toLowerCase() === contact?.toLowerCase() ? emailLink(contact) : address);
    } else {
      // The full stop after an address ends the sentence, not the address.
      const href = target || bare.replace(/[.,;:!?'’”)\]]+$/, "");
      parent.append(link(href, label || href), bare ? bare.slice(href.length) : "");
    }
  }
  parent.append(text.slice(end));
}

function link(href, label) {
  const anchor = el("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, label);
  if (!/^https?:$/.test(anchor.protocol) || anchor.username) return label; // https://known.example@elsewhere.example
  // A label that names a host must name the one where the link leads; otherwise the address speaks for itself.
  const named = label.match(/(?:[\p{L}\p{N}-]+\.)+\p{L}{2,}/gu) ?? [];
  if (named.some((host) => host.toLowerCase() !== anchor.hostname)) anchor.textContent = href;
  return anchor;
}

export function emailLink(address) {
  return el("a", { href: `mailto:${address}` }, address);
}

/** Closes a bold span that is still being written, so that no asterisks flash up. */
export function closed(text) {
  const whole = text.replace(/\*+$/, "");
  const open = whole.slice(whole.lastIndexOf("\n") + 1).split("**").length % 2 === 0;
  return open ? `${whole}**` : whole;
}
