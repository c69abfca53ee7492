// A clinician's page of a video: follows how far it is, counts characters, copies a link. Without it all works, too.
// It asks again and holds no stream of events open: over HTTP/1.1 all tabs of a browser share six connections to a
// server, and a stream would take one for as long as a video is made.
"use strict";

const going = document.getElementById("going");
if (going) {
  const state = document.getElementById("state");
  const bar = document.getElementById("percent");
  const look = async () => {
    try {
      const answer = await fetch(going.dataset.progress, { redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const now = await answer.json();
      if (now.over) return location.reload();
      if (state.textContent !== now.state) state.textContent = now.state; // said aloud only when it is another
      if (now.percent === null) bar.removeAttribute("value");
      else bar.value = now.percent;
      setTimeout(look, 1000);
    } catch {
      setTimeout(() => location.reload(), 5000);
    }
  };
  setTimeout(look, 1000);
}

for (const count of document.querySelectorAll("[data-count]")) {
  const field = document.getElementById(count.dataset.count);
  const tell = () => { count.textContent = `${field.maxLength} (${field.maxLength - field.value.length} left)`; };
  field.addEventListener("input", tell);
  tell();
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  const told = document.getElementById("copied");
  button.hidden = false;
  field.focus();
  field.select();
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      told.textContent = "Copied";
    } catch {
      told.textContent = "Press Ctrl+C to copy it";
    }
  });
}
