// Says in a sentence what Gradio would refuse in a box of its own, before anything is uploaded.
// The server holds the same limits. MAX_PHOTOS and MAX_MEGABYTES are filled in by demo.py.

function refusal(files) {
  if (files.length > MAX_PHOTOS)
    return `You chose ${files.length} photos, and ${MAX_PHOTOS} at once are the limit. Choose fewer.`;
  const large = files.find((file) => file.size > MAX_MEGABYTES * 1e6);
  if (large)
    return `${large.name} has ${Math.ceil(large.size / 1e6)} MB, and ${MAX_MEGABYTES} MB are the `
      + "limit. Choose a smaller photo.";
  return "";
}

function check(event, files) {
  if (!event.target.closest?.("#photos") || !files?.length) return;
  const text = refusal([...files]);
  const place = document.getElementById("refused");
  place.textContent = text;
  place.hidden = !text;
  if (!text) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (event.type === "change") event.target.value = "";  // so that the same choice counts again
}

// Before Gradio's own listeners, which sit further down.
document.addEventListener("change", (event) => check(event, event.target.files), true);
document.addEventListener("drop", (event) => check(event, event.dataTransfer?.files), true);
// The dialog offers photos, and a phone its camera; what is dropped is judged by its content.
document.addEventListener("click", () => {
  const input = document.querySelector("#photos input[type=file]");
  if (input) input.accept = "image/*";
}, true);
