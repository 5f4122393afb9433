// Tells a person whose press nobody hears: the kernel was restarted, or a cell still runs.
const SILENT_MS = 5000;
const GONE = "The kernel was restarted, so this form is of an earlier session: run its cell again (and those above it).";
const UNSURE =
  "Nothing answers. If a cell is still running, this press is carried out after it; if the kernel was restarted, run this cell again (and those above it).";

function render({ model, el }) {
  const said = document.createElement("div");
  said.setAttribute("role", "status");
  said.style.cssText = "line-height:1.4";
  el.append(said);
  const say = (text) => {
    said.textContent = text;
    said.style.cssText = text
      ? "line-height:1.4;padding:6px 10px;margin:4px 0;border-left:4px solid #ed6c02;color:var(--jp-ui-font-color1, inherit)"
      : "";
  };

  let asked = 0;
  let answered = 0;
  const hear = (message) => {
    if (typeof message?.re !== "number") return;
    answered = Math.max(answered, message.re);
    say("");
  };
  model.on("msg:custom", hear);

  const ask = () => {
    const number = ++asked;
    try {
      model.send({ ask: number });
    } catch {
      say(GONE);
      return;
    }
    setTimeout(() => answered < number && say(UNSURE), SILENT_MS);
  };
  const press = (event) => {
    const form = el.parentElement;
    if (form?.contains(event.target) && event.target.closest("button")) ask();
  };
  document.addEventListener("click", press, true);
  return () => {
    document.removeEventListener("click", press, true);
    model.off("msg:custom", hear);
  };
}

export default { render };
