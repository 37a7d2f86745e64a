// What a page gains where scripts are allowed; all of it can be read without.
"use strict";
(() => {
  const local = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const word = document.body.dataset.local;

  // The instants of an element in local time: two bound a beginning, two more an end.
  const times = (text) => {
    const say = (from, to) => {
      const told = [from, to].filter((ms) => ms).map((ms) => local.format(new Date(Number(ms))));
      return told[0] === told[1] || told.length === 1 ? told[0] : told.join(" … ");
    };
    const [a, b, c, d] = text.split(" ");
    const told = [say(a, b), say(c, d)].filter((part) => part);
    return told.length ? `${word} (${zone}): ${told.join(" → ")}` : "";
  };

  const tip = document.createElement("div");
  tip.id = "tip";
  tip.setAttribute("role", "status");
  tip.hidden = true;
  document.body.append(tip);
  const show = (target) => {
    const lines = [];
    const title = target.getAttribute("aria-label");
    if (title) lines.push(title);
    const here = times(target.dataset.instants);
    if (here) lines.push(here);
    tip.textContent = lines.join("\n");
    tip.hidden = lines.length === 0;
    const box = target.getBoundingClientRect();
    const left = Math.max(8, Math.min(box.left, innerWidth - tip.offsetWidth - 8));
    const below = box.bottom + 8 + tip.offsetHeight < innerHeight;
    tip.style.left = `${left}px`;
    tip.style.top = `${below ? box.bottom + 8 : Math.max(8, box.top - tip.offsetHeight - 8)}px`;
  };
  const hide = () => { tip.hidden = true; };
  const of = (event) => event.target.closest?.("[data-instants]");
  for (const name of ["pointerover", "focusin"]) addEventListener(name, (event) => of(event) ? show(of(event)) : hide());
  addEventListener("focusout", hide);
  addEventListener("scroll", hide, { passive: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // Takes a part of another page of ours into this one.
  const take = async (href, id) => {
    const answer = await fetch(href, { headers: { accept: "text/html" } });
    if (!answer.ok) return false;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const [there, here] = [page.getElementById(id), document.getElementById(id)];
    if (!there || !here) return false;
    here.replaceWith(there);
    return true;
  };

  const go = async (href) => {
    try {
      if (await take(href, "view")) {
        history.replaceState(null, "", href);
        document.querySelector(".timeline")?.focus({ preventScroll: true });
        return;
      }
    } catch { /* The link itself still works. */ }
    location.href = href;
  };
  const within = (from, to) => {
    const at = (ms) => new Date(ms).toISOString();
    const next = new URL(location.href);
    next.searchParams.set("from", at(from));
    next.searchParams.set("to", at(to));
    next.hash = "timeline";
    go(next.href);
  };

  document.addEventListener("click", (event) => {
    const way = event.target.closest?.(".zoom a");
    if (!way || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(way.href);
  });
  document.addEventListener("keydown", (event) => {
    if (!event.target.closest?.(".timeline") || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key === "=" ? "+" : event.key;
    const way = [...document.querySelectorAll(".zoom a")].find((way) => way.dataset.key && way.dataset.key === key);
    if (!way) return;
    event.preventDefault();
    go(way.href);
  });

  // Dragging over the time line chooses a stretch of it.
  let drag = null;
  const shade = document.createElement("div");
  shade.id = "shade";
  const share = (event) => {
    const box = drag.row.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
  };
  document.addEventListener("pointerdown", (event) => {
    const line = event.target.closest?.(".timeline");
    const row = line?.querySelector("svg.axis");
    if (!row || event.button !== 0 || event.pointerType === "touch") return;
    drag = { line, row, from: 0, at: event.clientX };
    drag.from = share(event);
  });
  document.addEventListener("pointermove", (event) => {
    if (!drag) return;
    if (Math.abs(event.clientX - drag.at) > 6) {
      drag.moved = true;
      const [box, frame, to] = [drag.row.getBoundingClientRect(), drag.line.getBoundingClientRect(), share(event)];
      drag.line.append(shade);
      shade.style.left = `${box.left - frame.left + Math.min(drag.from, to) * box.width}px`;
      shade.style.width = `${Math.abs(to - drag.from) * box.width}px`;
    }
  });
  document.addEventListener("dragstart", (event) => { if (drag) event.preventDefault(); });
  document.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const { line, from, moved } = drag;
    const to = share(event);
    shade.remove();
    drag = null;
    if (!moved || from === to) return;
    const stop = (click) => { click.preventDefault(); click.stopPropagation(); };
    document.addEventListener("click", stop, { capture: true, once: true });
    setTimeout(() => document.removeEventListener("click", stop, { capture: true }), 0);
    const [first, last] = [Number(line.dataset.from), Number(line.dataset.to)];
    const at = (part) => Math.round(first + part * (last - first));
    within(at(Math.min(from, to)), at(Math.max(from, to)));
  });

  // The overview renews itself, unless someone is in the middle of it.
  const live = document.getElementById("live");
  if (live) {
    setInterval(() => {
      const here = document.getElementById("live");
      if (!document.hidden && !here.contains(document.activeElement)) take(location.href, "live").catch(() => {});
    }, Number(live.dataset.renew) * 1000);
  }
})();
