// Progressive only: every page works without this file. No innerHTML anywhere (Trusted Types).
const main = document.getElementById("main");

document.getElementById("summary")?.focus();
for (const one of document.querySelectorAll("[data-noscript]")) one.hidden = true;

for (const button of document.querySelectorAll("[data-reveal]")) {
  const input = document.getElementById(button.dataset.reveal);
  button.hidden = false;
  button.setAttribute("aria-controls", input.id);
  button.addEventListener("click", () => {
    const show = input.type === "password";
    input.type = show ? "text" : "password";
    button.textContent = show ? button.dataset.hide : button.dataset.show;
    button.setAttribute("aria-pressed", String(show));
  });
}

// Two quick presses are one. A press that was stopped (the browser doesn't tell) leaves the button free again soon.
const release = (form) => {
  delete form.dataset.sent;
  for (const button of form.querySelectorAll("[aria-disabled]")) button.removeAttribute("aria-disabled");
};
for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    if (form.dataset.sent) return;
    form.dataset.sent = "1";
    event.submitter?.setAttribute("aria-disabled", "true");
    setTimeout(release, 3000, form);
  });
}
const releaseAll = () => document.querySelectorAll("form[data-sent]").forEach(release);
addEventListener("pageshow", releaseAll);
addEventListener("keydown", (event) => { if (event.key === "Escape") releaseAll(); });

// Counts down to the moment when one may ask again; says so at the end only. `show` gets the time, or null when it is over.
function countDown(seconds, form, show, done) {
  const end = performance.now() + seconds * 1000;
  const meter = form.querySelector("meter");
  const tick = () => {
    const left = Math.ceil((end - performance.now()) / 1000);
    meter.parentElement.hidden = left <= 0;
    meter.value = Math.max(left, 0);
    show(left > 0 ? `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}` : null);
    if (left > 0) setTimeout(tick, 250);
    else form.querySelector("[data-announce]").textContent = done;
  };
  if (seconds > 0) tick();
}

// The time bold, and running left to right wherever it stands.
function withTime(element, text, time) {
  const bold = document.createElement("strong");
  bold.dir = "ltr";
  bold.textContent = time;
  const [before, after] = text.split("{time}");
  const whole = document.createElement("span");
  whole.append(before, bold, after ?? "");
  element.replaceChildren(whole);
}

for (const button of document.querySelectorAll("[data-countdown]")) {
  const label = button.textContent;
  countDown(Number(button.dataset.countdown), button.form, (time) => {
    button.disabled = time !== null;
    if (time === null) button.textContent = label;
    else withTime(button, button.dataset.text, time);
  }, button.dataset.done);
}

// A page that only reads comes again by itself when it was too busy.
for (const later of document.querySelectorAll("[data-later]")) {
  const line = later.querySelector("[data-text]");
  later.hidden = false;
  countDown(Number(later.dataset.later), later, (time) => {
    if (time === null) location.reload();
    else withTime(line, line.dataset.text, time);
  }, "");
}

// One countdown for several ways.
for (const line of document.querySelectorAll("[data-wait]")) {
  const form = line.closest("form");
  countDown(Number(line.dataset.wait), form, (time) => {
    for (const button of form.querySelectorAll("button")) button.disabled = time !== null;
    if (time === null) line.textContent = line.dataset.done;
    else withTime(line, line.dataset.text, time);
  }, line.dataset.done);
}

// What a new password still needs, while it is typed: a ring becomes a tick, never a red cross.
for (const guide of document.querySelectorAll("[data-guide]")) {
  const input = document.getElementById(guide.dataset.guide);
  const words = guide.dataset.words.toLowerCase().split("\n").filter((one) => one.length > 2);
  const length = guide.querySelector("[data-rule=length]");
  const plain = length.querySelector("span").textContent;
  input.setAttribute("aria-describedby", `${input.getAttribute("aria-describedby") ?? ""} ${(guide.id = "guide")}`.trim());
  input.addEventListener("input", () => {
    const typed = input.value.normalize("NFKC");
    const count = [...typed].length;
    const enough = count >= Number(guide.dataset.min);
    length.classList.toggle("met", enough);
    length.querySelector("span").textContent = enough || !count ? plain : length.dataset.text.replace("{count}", count);
    const free = count > 0 && !words.some((one) => typed.toLowerCase().includes(one));
    guide.querySelector("[data-rule=words]").classList.toggle("met", free);
  });
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
for (const button of document.querySelectorAll("[data-copy]")) {
  const lines = document.getElementById(button.dataset.copy).querySelectorAll("li");
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText([...lines].map((line) => line.textContent).join("\n"));
    button.textContent = button.dataset.done;
  });
}

// A minute before an idle session ends it is said, and one press goes on with it (WCAG 2.2.1).
for (const notice of document.querySelectorAll("[data-session-ends]")) {
  const stay = notice.querySelector("[data-stay]");
  const whole = Number(notice.dataset.sessionEnds);
  let timer;
  const wait = () => {
    clearTimeout(timer);
    notice.hidden = true;
    timer = setTimeout(() => { notice.hidden = false; }, Math.max(whole - 60, 0) * 1000);
  };
  stay.addEventListener("click", async () => {
    const answer = await fetch(stay.dataset.stay, { headers: { "latchkey-client": "web" } }).catch(() => null);
    if (answer?.ok) wait();
    else location.reload();
  });
  wait();
}

// "3 s ago" goes on counting, and is a clock time after a minute.
for (const ago of document.querySelectorAll("[data-ago]")) {
  const since = performance.now() - Number(ago.dataset.ago) * 1000;
  const tick = () => {
    const seconds = Math.floor((performance.now() - since) / 1000);
    ago.textContent = seconds < 60 ? ago.dataset.text.replace("{seconds}", seconds) : ago.dataset.then;
    if (seconds < 60) setTimeout(tick, 1000);
  };
  tick();
}

// The waiting page goes on by itself: every 3 s for 2 minutes, then more slowly while it is looked at.
const waiting = document.querySelector("[data-poll]");
if (waiting) {
  const shown = waiting.dataset;
  // Another message in the same state is news as well, so its moment counts.
  const isNews = (flow) =>
    flow.delivery?.channel !== shown.channel ||
    flow.delivery?.state !== shown.state ||
    (flow.delivery && Date.parse(flow.delivery.at) !== Date.parse(shown.at)) ||
    String(Boolean(flow.link_ended)) !== shown.ended;
  let polls = 0;
  const look = async () => {
    polls += 1;
    try {
      const answer = await fetch(shown.poll, { headers: { accept: "application/json" } });
      if (answer.status === 403) {
        location.replace(location.href); // refused; the page says why
        return;
      }
      if (answer.ok) {
        const flow = await answer.json();
        const typed = [...main.querySelectorAll("#code, #email")].some((field) => field.value);
        const busy = typed || main.querySelector(".ask:focus-within");
        const pressed = document.querySelector("form[data-sent]"); // its answer is on the way, and says more
        if (!pressed && (flow.status !== shown.status || (isNews(flow) && !busy))) {
          location.replace(location.href);
          return;
        }
      }
    } catch {
      // Off line for a moment; the next look finds out.
    }
    setTimeout(look, polls < 40 ? 3000 : 15000);
  };
  setTimeout(look, 1000);
}
