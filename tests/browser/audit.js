// What an accessibility checker would say first: names, labels, language, headings, contrast.
() => {
  const faults = [];
  const shown = (e) => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== "hidden";
  const where = (e) => `<${e.tagName.toLowerCase()} id="${e.id}" class="${String(e.className).slice(0, 60)}"> ${(e.textContent || "").trim().slice(0, 40)}`;
  const name = (e) => (e.getAttribute("aria-label") || e.title || e.alt || e.textContent || e.value || e.placeholder || "").trim()
    || [...e.querySelectorAll("[aria-label],[alt],[title]")].map((c) => c.getAttribute("aria-label") || c.alt || c.title).join("");

  if (!document.documentElement.lang) faults.push("no language");
  if (!document.title.trim()) faults.push("no title");
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of new Set(ids)) {
    if (id.startsWith("id_") && ids.filter((other) => other === id).length > 1) faults.push(`id ${id} twice`);
  }
  for (const e of document.querySelectorAll("#main input, #main select, #main textarea")) {
    if (e.type === "hidden" || !shown(e)) continue;
    const labelled = (e.labels && e.labels.length) || e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.title || e.placeholder;
    if (!labelled) faults.push(`no label: ${where(e)}`);
  }
  for (const e of document.querySelectorAll("#main .etl-card a[href], #main .etl-card button")) {
    if (shown(e) && !name(e)) faults.push(`no name: ${where(e)}`);
  }
  for (const e of document.querySelectorAll("#main .etl-button, #main .etl-link, #main summary")) {
    if (shown(e) && e.tabIndex < 0) faults.push(`not by keyboard: ${where(e)}`);
  }
  for (const e of document.querySelectorAll("table.etl-table th")) {
    if (!e.scope) faults.push(`no scope: ${where(e)}`);
  }

  // WCAG 2.1 contrast of the site's own pieces, 4.5 to 1.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return [255, 255, 255, 255];
  };
  for (const e of document.querySelectorAll("[class*=etl-]")) {
    const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!text || !shown(e)) continue;
    const [a, b] = [light(rgba(getComputedStyle(e).color)), light(behind(e))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faults.push(`contrast ${contrast.toFixed(2)}: ${where(e)}`);
  }
  return faults;
}
