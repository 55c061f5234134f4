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

for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
    event.submitter?.setAttribute("aria-disabled", "true");
  });
}
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const button of document.querySelectorAll("form [aria-disabled]")) button.removeAttribute("aria-disabled");
});

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

for (const button of document.querySelectorAll("[data-countdown]")) {
  const label = button.textContent;
  countDown(Number(button.dataset.countdown), button.form, (time) => {
    button.disabled = time !== null;
    button.textContent = time === null ? label : button.dataset.text.replace("{time}", time);
  }, button.dataset.done);
}

// One countdown for several ways.
for (const line of document.querySelectorAll("[data-wait]")) {
  const form = line.closest("form");
  countDown(Number(line.dataset.wait), form, (time) => {
    for (const button of form.querySelectorAll("button")) button.disabled = time !== null;
    line.textContent = time === null ? line.dataset.done : line.dataset.text.replace("{time}", time);
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

// The waiting page goes on by itself: every 3 s for 2 minutes, then more slowly while it is looked at.
const waiting = document.querySelector("[data-poll]");
if (waiting) {
  let polls = 0;
  const look = async () => {
    polls += 1;
    try {
      const answer = await fetch(waiting.dataset.poll, { headers: { accept: "application/json" } });
      if (answer.ok) {
        const flow = await answer.json();
        const state = `${flow.status}/${flow.delivery?.channel}/${flow.delivery?.state}/${flow.link_ended ? "True" : "False"}`;
        const typing = main.querySelector("#code")?.value;
        if (flow.status !== "check_your_messages" || (state !== waiting.dataset.state && !typing)) {
          location.replace(location.pathname + location.search.replace(/&?sent=1/, ""));
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
