// The site's own script: pieces of page that refresh, buttons that ask, and the column picker.
"use strict";
// Unfold puts the script into the head, before there is a page.
document.addEventListener("DOMContentLoaded", () => {
  // Chromium leaves `autofocus` out while unfold still hides the page.
  const first = document.querySelector("[autofocus]");
  if (first) first.focus();

  const token = () => document.querySelector("input[name=csrfmiddlewaretoken]").value;

  const post = (address, values = {}) =>
    fetch(address, {
      method: "POST",
      headers: { "X-CSRFToken": token(), "X-Requested-With": "XMLHttpRequest" },
      body: new URLSearchParams(values),
      redirect: "error",
    });

  const note = (kind, text, more = "") => {
    const box = document.createElement("div");
    box.className = `etl-note etl-note-${kind}`;
    const head = document.createElement("strong");
    head.textContent = text;
    box.append(head);
    if (more) box.append(document.createElement("br"), more);
    return box;
  };

  // Pieces of page that refresh: data-poll="address", until they contain data-poll-until.
  for (const box of document.querySelectorAll("[data-poll]")) {
    let missed = 0;
    const refresh = async () => {
      // A session that has ended answers with a redirect to the login page: an error here.
      const answer = await fetch(box.dataset.poll, { redirect: "error" });
      if (!answer.ok) throw new Error(answer.status);
      const text = await answer.text();
      const focused = box.contains(document.activeElement) && document.activeElement.getAttribute("href");
      box.innerHTML = text;
      const same = focused && box.querySelector(`a[href="${CSS.escape(focused)}"]`);
      if (same) same.focus({ preventScroll: true });
    };
    // Old figures must not look like those of this moment.
    const tell = () => {
      if (box.querySelector(".etl-stale")) return;
      const told = note("danger", "This page does not refresh any more: what it shows is old.",
        "The site does not answer, or your session has ended. Reload the page.");
      told.classList.add("etl-stale");
      told.setAttribute("role", "alert");
      box.prepend(told);
    };
    const again = async () => {
      if (!document.hidden) {
        try {
          await refresh();
          missed = 0;
        } catch (error) {
          missed += 1;
          if (missed > 1) tell();
        }
      }
      const until = box.dataset.pollUntil;
      if (!until || !box.querySelector(until)) {
        setTimeout(again, Number(box.dataset.pollSeconds) * 1000);
      }
    };
    setTimeout(again, Number(box.dataset.pollSeconds) * 1000);
  }

  // Buttons that ask: data-ask="address" answers with a piece of page into #data-answer.
  for (const button of document.querySelectorAll("[data-ask]")) {
    const answer = document.getElementById(button.dataset.answer);
    const ask = async () => {
      button.disabled = true;
      answer.replaceChildren(note("info", "Asking …"));
      try {
        const response = await post(button.dataset.ask);
        if (!response.ok) throw new Error(`The site answered ${response.status}.`);
        answer.innerHTML = await response.text();
      } catch (error) {
        answer.replaceChildren(note("danger", "There was no answer.", error.message));
      }
      button.disabled = false;
    };
    button.addEventListener("click", ask);
    if ("askAtOnce" in button.dataset) ask();
  }

  const picker = document.getElementById("oracle-picker");
  if (!picker) return;

  // The column picker. Without an answer from Oracle every field stays a text field.
  const answer = document.getElementById("oracle-answer");
  const input = (name) => document.getElementById(`id_${name}`);
  const SINGLE = { incremental_column: "incremental", first_load_column: "incremental", partition_column: "partition" };
  const LISTS = { key_columns: "key", cluster_columns: "cluster", date_columns: "date" };

  const question = async (button, values) => {
    button.disabled = true;
    answer.replaceChildren(note("info", "Asking Oracle …"));
    try {
      const response = await post(picker.dataset[button.dataset.pick], {
        store: input("store").value, view: input("view").value, ...values,
      });
      const told = await response.json();
      if (!response.ok) {
        const error = told.error || { message: `The site answered ${response.status}.` };
        answer.replaceChildren(note("danger", error.message, error.action));
        return null;
      }
      answer.replaceChildren();
      return told;
    } catch (error) {
      answer.replaceChildren(note("danger", "There was no answer.", error.message));
      return null;
    } finally {
      button.disabled = false;
    }
  };

  const select = (label, options, advice) => {
    const element = document.createElement("select");
    element.className = "border border-base-200 bg-white rounded-default px-3 py-2 dark:bg-base-900 dark:border-base-700 text-font-default-light dark:text-font-default-dark";
    element.setAttribute("aria-label", label);
    element.append(new Option("choose …", ""));
    const good = options.filter((column) => column.advice && column.advice[advice]);
    const rest = options.filter((column) => !good.includes(column));
    for (const [title, columns] of [["Suited", good], ["Other columns", rest]]) {
      if (!columns.length) continue;
      const group = document.createElement("optgroup");
      group.label = title;
      for (const column of columns) {
        const why = (column.advice && column.advice[advice]) || "";
        const option = new Option(`${column.name} · ${column.data_type}${why ? ` · ${why}` : ""}`, column.name);
        option.dataset.why = why;
        group.append(option);
      }
      element.append(group);
    }
    return element;
  };

  const frame = (field) => {
    const old = field.parentElement.querySelector(".etl-picker");
    if (old) old.remove();
    const box = document.createElement("div");
    box.className = "etl-picker";
    field.after(box);
    return box;
  };

  const offerOne = (name, columns) => {
    const field = input(name);
    if (!field) return;
    const box = frame(field);
    const choice = select(`${name} from Oracle`, columns, SINGLE[name]);
    choice.value = field.value;
    const advice = document.createElement("div");
    advice.className = "etl-advice";
    choice.addEventListener("change", () => {
      field.value = choice.value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      const chosen = choice.selectedOptions[0];
      advice.textContent = chosen ? chosen.dataset.why || "" : "";
    });
    box.append(choice, advice);
  };

  const offerMany = (name, columns) => {
    const field = input(name);
    if (!field) return;
    const box = frame(field);
    const chips = document.createElement("div");
    chips.className = "etl-chips";
    const choice = select(`add to ${name}`, columns, LISTS[name]);
    const names = () => field.value.split(/[\s,]+/).filter(Boolean);
    const show = () => {
      chips.replaceChildren(...names().map((column) => {
        const chip = document.createElement("span");
        chip.className = "etl-chip";
        const remove = document.createElement("button");
        remove.type = "button";
        remove.textContent = "×";
        remove.setAttribute("aria-label", `remove ${column}`);
        remove.addEventListener("click", () => put(names().filter((other) => other !== column)));
        chip.append(column, remove);
        return chip;
      }));
    };
    const put = (list) => {
      field.value = list.join(", ");
      field.dispatchEvent(new Event("input", { bubbles: true }));
      show();
    };
    choice.addEventListener("change", () => {
      if (choice.value && !names().includes(choice.value)) put([...names(), choice.value]);
      choice.value = "";
    });
    field.addEventListener("change", show);
    show();
    box.append(chips, choice);
  };

  const pickColumns = async (button) => {
    const told = await question(button, {});
    if (!told) return;
    Object.keys(SINGLE).forEach((name) => offerOne(name, told.columns));
    Object.keys(LISTS).forEach((name) => offerMany(name, told.columns));
    answer.replaceChildren(note("success", `${told.columns.length} columns of ${input("view").value}.`,
      "Choose them in the fields below; the suited ones stand first, with the reason."));
  };

  const pickViews = async (button) => {
    const told = await question(button, { like: input("view").value });
    if (!told) return;
    const box = frame(input("view"));
    const element = select("view from Oracle", told.views.map((view) => ({ name: `${view.owner}.${view.name}`, data_type: "view" })), "none");
    element.addEventListener("change", () => {
      if (!element.value) return;
      input("view").value = element.value;
      pickColumns(picker.querySelector("[data-pick=columns]"));
    });
    box.append(element);
    answer.replaceChildren(note("success", `${told.views.length} views found.`, "Choose one beside the view's field."));
  };

  const checkKeys = async (button) => {
    const told = await question(button, { columns: input("key_columns").value });
    if (!told) return;
    const counts = `${told.rows.toLocaleString("en")} rows, ${told.distinct.toLocaleString("en")} different keys, ${told.nulls.toLocaleString("en")} with NULL.`;
    answer.replaceChildren(told.unique ? note("success", "These columns name every row.", counts)
      : note("danger", "These columns do not name every row.", counts));
  };

  const ACTIONS = { views: pickViews, columns: pickColumns, keys: checkKeys };
  for (const button of picker.querySelectorAll("[data-pick]")) {
    button.addEventListener("click", () => ACTIONS[button.dataset.pick](button));
  }
});
