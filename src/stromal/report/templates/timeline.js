// Moves a line over each timeline, tells what was recorded on its day, and marks the records that
// decided a derived result. Without this script the pictures and their texts are complete.
"use strict";
for (const svg of document.querySelectorAll("svg.timeline")) {
  const marks = [...svg.querySelectorAll(".tl-mark")].filter((mark) => mark.dataset.day !== "");
  const knots = svg.dataset.knots.split(" ").map((knot) => knot.split(",").map(Number));
  const cursor = svg.querySelector(".tl-cursor");
  const readout = svg.parentElement.querySelector(".tl-readout");
  const days = [...new Set(marks.map((mark) => Number(mark.dataset.day)))].sort((a, b) => a - b);
  let current = null;

  const place = (day) => {
    for (let i = 1; i < knots.length; i += 1) {
      const [a, x] = knots[i - 1];
      const [b, z] = knots[i];
      if (day <= b) return x + ((day - a) * (z - x)) / (b - a);
    }
    return knots[knots.length - 1][1];
  };
  const dayAt = (x) => {
    for (let i = 1; i < knots.length; i += 1) {
      const [a, from] = knots[i - 1];
      const [b, to] = knots[i];
      if (x <= to) return Math.round(a + ((x - from) * (b - a)) / (to - from));
    }
    return Math.round(knots[knots.length - 1][0]);
  };
  const covers = (mark, day) => {
    const start = Number(mark.dataset.day);
    if (mark.dataset.end === undefined) return start === day;
    return start <= day && (mark.dataset.end === "" || day <= Number(mark.dataset.end));
  };
  const show = (day) => {
    current = day;
    cursor.setAttribute("x1", place(day));
    cursor.setAttribute("x2", place(day));
    cursor.setAttribute("visibility", "visible");
    const said = marks
      .filter((mark) => covers(mark, day))
      .map((mark) => (mark.querySelector("title") || {}).textContent)
      .filter(Boolean)
      .map((text) => text.replace(/^Days? -?\d+( to -?\d+)?: /, ""));
    readout.textContent = `Day ${day}: ${said.length ? said.join(" · ") : "nothing recorded"}`;
  };
  const hide = () => {
    current = null;
    cursor.setAttribute("visibility", "hidden");
    readout.textContent = readout.dataset.hint;
  };
  const light = (event) => {
    const result = event.target.closest("[data-because]");
    const ids = new Set(result ? result.dataset.because.split("|") : []);
    for (const mark of marks) mark.classList.toggle("tl-decided", (mark.dataset.record || "").split("|").some((id) => ids.has(id)));
  };
  const step = (forward) => {
    if (current === null) return forward ? days[0] : days[days.length - 1];
    const beyond = forward ? days.find((day) => day > current) : days.findLast((day) => day < current);
    return beyond === undefined ? current : beyond;
  };
  readout.dataset.hint = "Move over the picture, or select it and use the arrow keys, to read a day.";
  hide();
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) * svg.viewBox.baseVal.width) / box.width;
    if (x >= Number(svg.dataset.left) && x <= Number(svg.dataset.right)) show(dayAt(x));
    light(event);
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("keydown", (event) => {
    const target = {
      ArrowRight: () => step(true),
      ArrowLeft: () => step(false),
      Home: () => days[0],
      End: () => days[days.length - 1],
    }[event.key];
    if (event.key === "Escape") hide();
    if (!target || !days.length) return;
    event.preventDefault();
    show(target());
  });
}
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});
