// The story of an incident is read on paper too.
document.addEventListener("click", (event) => {
  if (event.target.closest('[data-act="print"]')) print();
});
