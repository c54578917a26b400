fetch("tree.txt").then(r => r.text()).then(t => { document.getElementById("tree").textContent = t; });
