// Draws the example pictures of the empty sheet. Each function draws on a canvas of its own size; nothing here is served. See
// README.md for how the files in assets/examples are made from it.
'use strict';

const sizes = { wide: [640, 360], square: [480, 480], tall: [432, 576], broad: [576, 432] };

function random(seed) {
  let state = seed * 2654435761;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}

// A pen with what most pictures need.
function penOn(canvas, seed) {
  const c = canvas.getContext('2d');
  const { width: w, height: h } = canvas;
  const rnd = random(seed);
  const pen = {
    c, w, h, rnd,
    between: (a, b) => a + (b - a) * rnd(),
    fade(x0, y0, x1, y1, ...colors) {
      const g = c.createLinearGradient(x0, y0, x1, y1);
      colors.forEach((color, i) => g.addColorStop(i / (colors.length - 1), color));
      return g;
    },
    glow(x, y, r, inner, outer) {
      const g = c.createRadialGradient(x, y, 0, x, y, r);
      g.addColorStop(0, inner);
      g.addColorStop(1, outer);
      c.fillStyle = g;
      c.fillRect(x - r, y - r, 2 * r, 2 * r);
    },
    fill(color) { c.fillStyle = color; c.fillRect(0, 0, w, h); },
    shape(color, draw) { c.beginPath(); draw(c); c.closePath(); c.fillStyle = color; c.fill(); },
    circle(color, x, y, r) { c.beginPath(); c.arc(x, y, r, 0, 7); c.fillStyle = color; c.fill(); },
    oval(color, x, y, rx, ry, turn = 0) { c.beginPath(); c.ellipse(x, y, rx, ry, turn, 0, 7); c.fillStyle = color; c.fill(); },
    line(color, width, draw) { c.beginPath(); draw(c); c.strokeStyle = color; c.lineWidth = width; c.lineCap = 'round'; c.lineJoin = 'round'; c.stroke(); },
    poly(color, ...points) { pen.shape(color, () => points.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)))); },
    round(color, x, y, rw, rh, r) { c.beginPath(); c.roundRect(x, y, rw, rh, r); c.fillStyle = color; c.fill(); },
    // ridge fills everything below an uneven line.
    ridge(color, base, height, rough, steps = 160) {
      const waves = Array.from({ length: 6 }, (_, i) => [rnd() * 7, (i + 1) * rough * (0.7 + rnd() * 0.6), height / (i + 1.4)]);
      const at = (x) => base - waves.reduce((sum, [phase, f, a]) => sum + Math.sin(phase + (x / w) * f) * a * 0.5, 0);
      pen.shape(color, () => {
        c.moveTo(0, h);
        for (let i = 0; i <= steps; i += 1) c.lineTo((i / steps) * w, at((i / steps) * w));
        c.lineTo(w, h);
      });
      return at;
    },
    blur(px, draw) { c.save(); c.filter = `blur(${px}px)`; draw(); c.restore(); },
    alpha(a, draw) { c.save(); c.globalAlpha = a; draw(); c.restore(); },
    // grain gives the flat areas the tooth of paper.
    grain(strength) {
      const data = c.getImageData(0, 0, w, h);
      for (let i = 0; i < data.data.length; i += 4) {
        const n = (rnd() - 0.5) * strength;
        for (let k = 0; k < 3; k += 1) data.data[i + k] += n;
      }
      c.putImageData(data, 0, 0);
    },
  };
  return pen;
}

const pictures = {
  lighthouse: { size: 'wide', seed: 4, draw(p) {
    const { c, w, h } = p;
    p.fill(p.fade(0, 0, 0, h * 0.7, '#1d2a4a', '#5b4a72', '#d9785a', '#f6c27c'));
    p.glow(w * 0.68, h * 0.6, h * 0.75, 'rgb(255 214 140 / 75%)', 'rgb(255 160 90 / 0%)');
    p.alpha(0.35, () => p.blur(7, () => { for (let i = 0; i < 11; i += 1) p.oval(i % 2 ? '#f3a477' : '#3a3760', p.between(0, w), p.between(h * 0.12, h * 0.48), p.between(60, 190), p.between(3, 9)); }));
    p.shape(p.fade(0, h * 0.62, 0, h, '#c9705a', '#4a3a5c', '#141a33'), () => c.rect(0, h * 0.62, w, h));
    for (let i = 0; i < 120; i += 1) {
      const y = h * 0.63 + (h * 0.37) * p.rnd() ** 1.6;
      const near = (y - h * 0.62) / (h * 0.38);
      p.alpha(0.55 * (1 - near * 0.6), () => p.oval('#ffd08a', w * 0.68 + (p.rnd() - 0.5) * (40 + near * 260), y, 5 + near * 26, 0.8 + near * 1.4));
    }
    const top = p.ridge('#191527', h * 0.78, 36, 9);
    p.poly('#0d0b18', [0, h], [0, h * 0.66], [w * 0.1, h * 0.6], [w * 0.17, h * 0.62], [w * 0.26, h * 0.57], [w * 0.36, h * 0.66], [w * 0.47, h * 0.74], [w * 0.55, h * 0.9], [w * 0.5, h]);
    const x = w * 0.255;
    p.alpha(0.5, () => p.blur(6, () => p.poly('#ffe9b0', [x, h * 0.19], [w, h * 0.02], [w, h * 0.22])));
    p.alpha(0.2, () => p.blur(5, () => p.poly('#ffe9b0', [x, h * 0.19], [0, h * 0.1], [0, h * 0.22])));
    p.poly(p.fade(x - 16, 0, x + 16, 0, '#f4ead9', '#b08a86'), [x - 9, h * 0.235], [x + 9, h * 0.235], [x + 15, h * 0.6], [x - 15, h * 0.6]);
    for (const [a, b] of [[0.31, 0.4], [0.49, 0.56]]) p.poly(p.fade(x - 16, 0, x + 16, 0, '#c8412e', '#7a2630'), [x - 9 - (a - 0.235) * 16, h * a], [x + 9 + (a - 0.235) * 16, h * a], [x + 9 + (b - 0.235) * 16, h * b], [x - 9 - (b - 0.235) * 16, h * b]);
    p.round('#0d0b18', x - 13, h * 0.222, 26, 5, 1);
    p.round('#ffe9b0', x - 6, h * 0.16, 12, h * 0.062, 1);
    p.poly('#0d0b18', [x - 10, h * 0.162], [x, h * 0.11], [x + 10, h * 0.162]);
    p.glow(x, h * 0.19, 46, 'rgb(255 240 190 / 95%)', 'rgb(255 220 150 / 0%)');
    p.line('#241c34', 1.2, () => { for (let i = 0; i < 3; i += 1) { const bx = w * (0.53 + i * 0.05); const by = h * (0.24 + (i % 2) * 0.05); c.moveTo(bx - 6, by - 3); c.quadraticCurveTo(bx - 2, by - 4, bx, by); c.quadraticCurveTo(bx + 2, by - 4, bx + 6, by - 3); } });
    void top;
    p.grain(9);
  } },

  terraces: { size: 'broad', seed: 12, draw(p) {
    const { c, w, h } = p;
    p.fill(p.fade(0, 0, 0, h, '#dfe7dc', '#b9cfae'));
    p.ridge('#b4c8b4', h * 0.22, 44, 5);
    p.ridge('#92b19a', h * 0.3, 34, 7);
    p.blur(12, () => { for (let i = 0; i < 5; i += 1) p.oval('rgb(244 247 238 / 75%)', p.between(0, w), p.between(h * 0.2, h * 0.36), p.between(90, 210), p.between(9, 18)); });
    const greens = ['#6f9a5a', '#86ae62', '#5c8a55', '#9fbd6b', '#4d7a4d', '#7aa457'];
    for (let i = 0; i < 11; i += 1) {
      const y = h * (0.34 + i * 0.062 + (i * i) * 0.0016);
      const bend = 20 + i * 5;
      const phase = i * 0.9;
      const edge = (x) => y + Math.sin(phase + (x / w) * 4.2) * bend * 0.5 + Math.sin(phase * 2 + (x / w) * 9) * bend * 0.16;
      const under = (color, dy) => p.shape(color, () => { c.moveTo(0, h); for (let x = 0; x <= w; x += 6) c.lineTo(x, edge(x) + dy); c.lineTo(w, h); });
      under('#2f5136', 0);
      under(i % 3 === 1 ? p.fade(0, y, 0, y + 46, '#dbe9df', '#9dc0b4') : p.fade(0, y, 0, y + 60, greens[i % 6], '#5d8a50'), 3.5 + i * 0.5);
      if (i % 3 !== 1) p.alpha(0.35, () => p.line('#d7e6a0', 1, () => { for (let x = 4; x < w; x += 7) { c.moveTo(x, edge(x) + 9 + i); c.lineTo(x + p.between(-1, 2), edge(x) + 3 + i); } }));
    }
    const [x, y] = [w * 0.63, h * 0.6];
    p.alpha(0.3, () => p.oval('#1f3a2a', x + 4, y + 30, 20, 4));
    p.poly('#27343b', [x - 6, y + 10], [x + 6, y + 10], [x + 8, y + 28], [x - 8, y + 28]);
    p.shape('#d7361a', () => { c.moveTo(x - 30, y + 6); c.quadraticCurveTo(x - 26, y - 21, x, y - 23); c.quadraticCurveTo(x + 26, y - 21, x + 30, y + 6); c.quadraticCurveTo(x + 22, y, x + 15, y + 6); c.quadraticCurveTo(x + 7, y, x, y + 6); c.quadraticCurveTo(x - 7, y, x - 15, y + 6); c.quadraticCurveTo(x - 22, y, x - 30, y + 6); });
    p.line('#9c2210', 1.2, () => { for (const dx of [-15, 0, 15]) { c.moveTo(x, y - 23); c.quadraticCurveTo(x + dx * 0.9, y - 12, x + dx, y + 5); } });
    p.grain(10);
  } },

  saltflat: { size: 'wide', seed: 7, draw(p) {
    const { c, w, h } = p;
    p.fill(p.fade(0, 0, 0, h * 0.56, '#4fa3c7', '#a8d6de', '#f6ead2'));
    p.circle('#fff6dd', w * 0.76, h * 0.25, 26);
    p.glow(w * 0.76, h * 0.25, 150, 'rgb(255 250 225 / 80%)', 'rgb(255 250 225 / 0%)');
    p.ridge('#c39a9c', h * 0.5, 26, 8);
    p.ridge('#a57f8c', h * 0.535, 14, 12);
    p.shape(p.fade(0, h * 0.55, 0, h, '#f7ecdc', '#fbf5ea', '#e9d9c6'), () => c.rect(0, h * 0.55, w, h));
    p.alpha(0.5, () => p.line('#d2bda8', 1, () => {
      for (let row = 0; row < 9; row += 1) {
        const y = h * (0.575 + 0.045 * row + 0.004 * row * row);
        const cell = 22 + row * 17;
        for (let x = -cell + (row % 2) * cell * 0.5; x < w + cell; x += cell) {
          const j = () => p.between(-0.12, 0.12) * cell;
          c.moveTo(x + j(), y); c.lineTo(x + cell * 0.5 + j(), y + 3 + row * 0.9); c.lineTo(x + cell + j(), y);
          c.moveTo(x + cell * 0.5, y + 3 + row * 0.9); c.lineTo(x + cell * 0.5 + j() * 0.5, y + h * 0.045 + row * 1.4);
        }
      }
    }));
    const [x, y] = [w * 0.33, h * 0.6];
    p.alpha(0.35, () => p.blur(3, () => p.oval('#6a5560', x + 44, y + 31, 78, 5)));
    p.round('#fffdf6', x, y - 24, 92, 52, 10);
    p.round('#d7361a', x, y + 6, 92, 12, 2);
    p.round('#e9e2d4', x, y + 16, 92, 11, 4);
    p.round('#35566a', x + 8, y - 16, 24, 15, 3);
    p.round('#35566a', x + 37, y - 16, 21, 15, 3);
    p.round('#35566a', x + 63, y - 16, 23, 15, 4);
    p.alpha(0.5, () => p.poly('#bfe0e8', [x + 66, y - 14], [x + 76, y - 14], [x + 68, y - 3], [x + 66, y - 3]));
    for (const dx of [20, 73]) { p.circle('#2a2530', x + dx, y + 27, 10); p.circle('#b9b2ab', x + dx, y + 27, 4.5); }
    p.round('#8a6d4f', x + 14, y - 32, 50, 8, 2);
    p.round('#c99a5b', x + 22, y - 39, 24, 8, 2);
    p.grain(8);
  } },

  cabin: { size: 'tall', seed: 21, draw(p) {
    const { c, w, h } = p;
    p.fill(p.fade(0, 0, 0, h, '#12203f', '#28416b', '#6d87a8', '#b9c6d6'));
    for (let i = 0; i < 70; i += 1) p.alpha(p.between(0.3, 0.9), () => p.circle('#fff', p.between(0, w), p.between(0, h * 0.4), p.between(0.5, 1.3)));
    p.circle('#f3efe2', w * 0.76, h * 0.14, 21);
    p.glow(w * 0.76, h * 0.14, 95, 'rgb(230 236 255 / 40%)', 'rgb(230 236 255 / 0%)');
    p.ridge('#3d5a80', h * 0.5, 70, 6);
    p.ridge('#2f4a70', h * 0.56, 44, 9);
    const fir = (x, y, tall, color, snow) => {
      for (let i = 0; i < 6; i += 1) {
        const ty = y - tall + (i * tall) / 6.4;
        const half = tall * (0.06 + i * 0.042);
        p.poly(color, [x, ty - tall * 0.07], [x + half, ty + tall * 0.17], [x, ty + tall * 0.13], [x - half, ty + tall * 0.17]);
        p.poly(snow, [x, ty - tall * 0.07], [x + half * 0.95, ty + tall * 0.16], [x + half * 0.3, ty + tall * 0.09], [x - half * 0.12, ty + tall * 0.12]);
      }
    };
    for (let i = 0; i < 26; i += 1) fir((i / 25) * w + p.between(-8, 8), h * 0.66 + p.between(-8, 8), p.between(60, 105), '#23395a', '#4d6a90');
    p.ridge(p.fade(0, h * 0.62, 0, h, '#c4d0df', '#8fa3bf'), h * 0.67, 18, 5);
    const [x, y] = [w * 0.56, h * 0.68];
    p.glow(x, y + 8, 120, 'rgb(255 190 90 / 60%)', 'rgb(255 190 90 / 0%)');
    p.round('#2b2233', x - 34, y - 16, 68, 38, 1);
    p.poly('#e8eef6', [x - 44, y - 12], [x, y - 46], [x + 44, y - 12], [x + 36, y - 11], [x, y - 37], [x - 36, y - 11]);
    p.poly('#2b2233', [x - 36, y - 11], [x, y - 37], [x + 36, y - 11]);
    p.round('#2b2233', x + 14, y - 48, 8, 18, 0);
    p.round('#ffcf6b', x - 22, y - 4, 16, 15, 1);
    p.round('#ffcf6b', x + 6, y - 4, 16, 15, 1);
    p.line('#2b2233', 1.6, () => { for (const dx of [-14, 14]) { c.moveTo(x + dx, y - 4); c.lineTo(x + dx, y + 11); c.moveTo(x + dx - 8, y + 3.5); c.lineTo(x + dx + 8, y + 3.5); } });
    p.alpha(0.4, () => p.blur(5, () => { for (let i = 0; i < 5; i += 1) p.circle('#dfe6f0', x + 18 + i * 4, y - 58 - i * 14, 6 + i * 2.4); }));
    p.alpha(0.5, () => p.blur(4, () => p.poly('#ffcf6b', [x - 24, y + 24], [x + 24, y + 24], [x + 50, y + 70], [x - 50, y + 70])));
    p.ridge(p.fade(0, h * 0.76, 0, h, '#eef3f9', '#a7b8d0'), h * 0.82, 22, 4);
    for (const [fx, fy, tall] of [[0.08, 0.93, 240], [0.25, 0.99, 170], [0.93, 0.96, 280], [0.77, 1.02, 160]]) fir(w * fx, h * fy, tall, '#14233f', '#dde6f2');
    for (let i = 0; i < 120; i += 1) p.alpha(p.between(0.3, 0.9), () => p.circle('#fff', p.between(0, w), p.between(0, h), p.between(0.6, 2.1)));
    p.grain(8);
  } },

  teapot: { size: 'square', seed: 3, draw(p) {
    const { c, w, h } = p;
    p.fill(p.fade(0, 0, w, h, '#d9cdbb', '#b49f88'));
    p.alpha(0.55, () => p.blur(9, () => { for (let i = 0; i < 3; i += 1) p.poly('#fbf1dc', [w * (0.02 + i * 0.15), 0], [w * (0.12 + i * 0.15), 0], [w * (0.34 + i * 0.15), h * 0.66], [w * (0.22 + i * 0.15), h * 0.66]); }));
    p.shape(p.fade(0, h * 0.66, 0, h, '#efe6d6', '#cdbda4'), () => c.rect(0, h * 0.66, w, h));
    p.alpha(0.25, () => p.line('#a58f73', 1, () => { for (let i = 0; i < 15; i += 1) { const y = h * 0.68 + i * 11; c.moveTo(0, y); c.bezierCurveTo(w * 0.3, y + p.between(-5, 5), w * 0.6, y + p.between(-5, 5), w, y + p.between(-4, 4)); } }));
    const [x, y] = [w * 0.46, h * 0.6];
    p.alpha(0.45, () => p.blur(9, () => p.oval('#5f4a38', x + 34, y + 88, 150, 15)));
    const clay = p.fade(x - 100, 0, x + 100, 0, '#f0a98a', '#c9593c', '#6e2a22');
    p.line(p.fade(x + 70, 0, x + 170, 0, '#a04532', '#6e2a22'), 15, () => { c.moveTo(x + 84, y - 32); c.bezierCurveTo(x + 176, y - 62, x + 172, y + 62, x + 84, y + 48); });
    p.shape(p.fade(x - 190, 0, x - 80, 0, '#eea484', '#c9593c'), () => { c.moveTo(x - 88, y + 46); c.bezierCurveTo(x - 142, y + 34, x - 136, y - 24, x - 178, y - 50); c.lineTo(x - 158, y - 58); c.bezierCurveTo(x - 116, y - 40, x - 110, y - 10, x - 88, y - 12); });
    p.shape(clay, () => { c.moveTo(x - 52, y - 70); c.bezierCurveTo(x - 128, y - 46, x - 122, y + 82, x - 62, y + 90); c.lineTo(x + 62, y + 90); c.bezierCurveTo(x + 122, y + 82, x + 128, y - 46, x + 52, y - 70); });
    p.oval('#7a3127', x, y - 70, 56, 10);
    p.shape(clay, () => { c.moveTo(x - 58, y - 72); c.bezierCurveTo(x - 46, y - 104, x + 46, y - 104, x + 58, y - 72); c.bezierCurveTo(x + 30, y - 62, x - 30, y - 62, x - 58, y - 72); });
    p.circle(p.fade(x - 12, 0, x + 12, 0, '#f0a98a', '#7e3227'), x, y - 104, 12);
    p.alpha(0.5, () => p.blur(8, () => p.oval('#ffe2cf', x - 66, y - 4, 12, 44, 0.12)));
    p.alpha(0.3, () => p.line('#5f221b', 1.3, () => { for (const dy of [-34, 26]) { c.moveTo(x - 102, y + dy); c.quadraticCurveTo(x, y + dy + 14, x + 102, y + dy); } }));
    p.line('#5d4a33', 3, () => { c.moveTo(w * 0.8, h * 0.86); c.bezierCurveTo(w * 0.84, h * 0.6, w * 0.78, h * 0.4, w * 0.88, h * 0.12); });
    for (let i = 0; i < 13; i += 1) {
      const along = i / 12;
      const lx = w * (0.82 + Math.sin(along * 3) * 0.02 + along * 0.03);
      const ly = h * (0.66 - along * 0.52);
      const side = i % 2 ? 1 : -1;
      p.oval(['#8d6a35', '#a9823f', '#74552b'][i % 3], lx + side * 21, ly - 6, 21, 7, side * -0.6);
    }
    p.grain(11);
  } },

  fox: { size: 'square', seed: 8, draw(p) {
    const { c, w, h } = p;
    p.fill('#1f4b57');
    p.circle('#2b6471', w / 2, h / 2, w * 0.43);
    p.alpha(0.5, () => p.line('#8fc3c6', 2.4, () => { for (let i = 0; i < 60; i += 1) { const x = p.between(0, w); const y = p.between(0, h); c.moveTo(x, y); c.lineTo(x - 5, y + 17); } }));
    const x = w / 2;
    const ink = '#221a1d';
    p.shape('#f2b632', () => { c.moveTo(x - 165, h); c.bezierCurveTo(x - 160, h * 0.7, x - 96, h * 0.66, x, h * 0.66); c.bezierCurveTo(x + 96, h * 0.66, x + 160, h * 0.7, x + 165, h); });
    p.shape('#f2b632', () => { c.moveTo(x - 132, h * 0.7); c.bezierCurveTo(x - 190, h * 0.2, x - 70, h * 0.1, x, h * 0.1); c.bezierCurveTo(x + 70, h * 0.1, x + 190, h * 0.2, x + 132, h * 0.7); c.bezierCurveTo(x + 60, h * 0.82, x - 60, h * 0.82, x - 132, h * 0.7); });
    p.shape('#d8921c', () => { c.moveTo(x - 106, h * 0.66); c.bezierCurveTo(x - 146, h * 0.26, x - 56, h * 0.19, x, h * 0.19); c.bezierCurveTo(x + 56, h * 0.19, x + 146, h * 0.26, x + 106, h * 0.66); c.bezierCurveTo(x + 50, h * 0.76, x - 50, h * 0.76, x - 106, h * 0.66); });
    for (const s of [-1, 1]) {
      p.poly('#d9572a', [x + s * 28, h * 0.35], [x + s * 94, h * 0.2], [x + s * 96, h * 0.46]);
      p.poly('#3a2222', [x + s * 52, h * 0.33], [x + s * 84, h * 0.25], [x + s * 84, h * 0.4]);
    }
    p.shape('#e0622f', () => { c.moveTo(x - 98, h * 0.44); c.bezierCurveTo(x - 84, h * 0.3, x - 30, h * 0.3, x, h * 0.33); c.bezierCurveTo(x + 30, h * 0.3, x + 84, h * 0.3, x + 98, h * 0.44); c.bezierCurveTo(x + 94, h * 0.56, x + 40, h * 0.66, x, h * 0.7); c.bezierCurveTo(x - 40, h * 0.66, x - 94, h * 0.56, x - 98, h * 0.44); });
    for (const s of [-1, 1]) p.shape('#fff3e2', () => { c.moveTo(x + s * 97, h * 0.45); c.bezierCurveTo(x + s * 60, h * 0.47, x + s * 32, h * 0.5, x + s * 4, h * 0.6); c.lineTo(x, h * 0.7); c.bezierCurveTo(x + s * 40, h * 0.66, x + s * 94, h * 0.56, x + s * 97, h * 0.45); });
    for (const s of [-1, 1]) { p.oval(ink, x + s * 42, h * 0.46, 9, 11); p.circle('#fff', x + s * 42 + 3, h * 0.45, 3.2); }
    p.oval(ink, x, h * 0.655, 15, 10);
    p.oval('#fff', x - 4, h * 0.648, 4, 2.2);
    p.line(ink, 2.6, () => { c.moveTo(x, h * 0.675); c.quadraticCurveTo(x - 4, h * 0.7, x - 18, h * 0.695); c.moveTo(x, h * 0.675); c.quadraticCurveTo(x + 4, h * 0.7, x + 18, h * 0.695); });
    p.line('#c17f14', 3, () => { c.moveTo(x, h * 0.79); c.lineTo(x, h); });
    for (const y of [0.86, 0.95]) p.circle(ink, x + 15, h * y, 5.5);
    p.grain(8);
  } },

  linocut: { size: 'tall', seed: 17, draw(p) {
    const { c, w, h } = p;
    const [paper, ink, red] = ['#f1e6d2', '#1c2530', '#d6432b'];
    p.fill('#e9c58f');
    p.circle(red, w * 0.56, h * 0.4, w * 0.36);
    p.shape(ink, () => { c.moveTo(w * 0.2, h); c.bezierCurveTo(w * 0.2, h * 0.84, w * 0.32, h * 0.78, w * 0.42, h * 0.76); c.lineTo(w * 0.44, h * 0.66); c.lineTo(w * 0.72, h * 0.64); c.lineTo(w * 0.72, h * 0.76); c.bezierCurveTo(w * 0.88, h * 0.8, w * 0.96, h * 0.86, w * 0.97, h); });
    // The face looks to the left.
    p.shape(paper, () => { c.moveTo(w * 0.4, h * 0.28); c.bezierCurveTo(w * 0.33, h * 0.32, w * 0.34, h * 0.38, w * 0.325, h * 0.42); c.lineTo(w * 0.265, h * 0.5); c.quadraticCurveTo(w * 0.27, h * 0.52, w * 0.32, h * 0.52); c.lineTo(w * 0.305, h * 0.555); c.lineTo(w * 0.33, h * 0.572); c.lineTo(w * 0.315, h * 0.595); c.bezierCurveTo(w * 0.33, h * 0.66, w * 0.39, h * 0.67, w * 0.46, h * 0.65); c.lineTo(w * 0.48, h * 0.78); c.bezierCurveTo(w * 0.54, h * 0.84, w * 0.62, h * 0.82, w * 0.68, h * 0.76); c.lineTo(w * 0.72, h * 0.5); c.lineTo(w * 0.62, h * 0.28); });
    p.shape(ink, () => { c.moveTo(w * 0.35, h * 0.36); c.bezierCurveTo(w * 0.3, h * 0.2, w * 0.48, h * 0.12, w * 0.62, h * 0.16); c.bezierCurveTo(w * 0.88, h * 0.2, w * 0.9, h * 0.5, w * 0.8, h * 0.7); c.bezierCurveTo(w * 0.76, h * 0.77, w * 0.66, h * 0.72, w * 0.64, h * 0.64); c.bezierCurveTo(w * 0.66, h * 0.54, w * 0.56, h * 0.52, w * 0.55, h * 0.42); c.bezierCurveTo(w * 0.5, h * 0.35, w * 0.42, h * 0.33, w * 0.35, h * 0.36); });
    p.circle(ink, w * 0.75, h * 0.2, w * 0.105);
    // Cuts that follow the hair.
    for (let i = 0; i < 17; i += 1) p.line(paper, p.between(1.4, 3.2), () => { const k = i / 16; c.moveTo(w * (0.4 + k * 0.15), h * (0.27 - k * 0.08)); c.bezierCurveTo(w * (0.56 + k * 0.2), h * (0.2 + k * 0.03), w * (0.66 + k * 0.18), h * (0.34 + k * 0.02), w * (0.68 + k * 0.1), h * (0.5 + p.rnd() * 0.14)); });
    for (let i = 0; i < 9; i += 1) p.line(paper, 2, () => { c.arc(w * 0.75, h * 0.2, w * (0.02 + i * 0.0085), i * 0.7, i * 0.7 + 2.6); });
    for (let i = 0; i < 14; i += 1) p.line(paper, p.between(1.2, 2.6), () => { c.moveTo(w * (0.26 + i * 0.05), h * 0.99); c.quadraticCurveTo(w * (0.3 + i * 0.045), h * 0.9, w * (0.38 + i * 0.032), h * (0.83 + p.rnd() * 0.05)); });
    for (let i = 0; i < 9; i += 1) p.line(ink, 1.6, () => { c.moveTo(w * (0.5 + i * 0.012), h * (0.62 + i * 0.012)); c.lineTo(w * (0.57 + i * 0.012), h * (0.585 + i * 0.018)); });
    p.line(ink, 5, () => { c.arc(w * 0.385, h * 0.43, w * 0.066, 0, 7); });
    p.line(ink, 4.4, () => { c.moveTo(w * 0.45, h * 0.42); c.lineTo(w * 0.6, h * 0.405); });
    p.line(ink, 3.4, () => { c.moveTo(w * 0.345, h * 0.432); c.quadraticCurveTo(w * 0.38, h * 0.415, w * 0.42, h * 0.436); c.moveTo(w * 0.34, h * 0.36); c.quadraticCurveTo(w * 0.38, h * 0.337, w * 0.44, h * 0.352); });
    p.circle(ink, w * 0.375, h * 0.434, 5);
    p.shape(red, () => { c.moveTo(w * 0.3, h * 0.557); c.lineTo(w * 0.365, h * 0.57); c.lineTo(w * 0.316, h * 0.597); });
    p.circle(red, w * 0.6, h * 0.6, 9);
    for (let i = 0; i < 240; i += 1) p.alpha(0.7, () => p.circle(paper, p.between(0, w), p.between(0, h), p.between(0.3, 1.2)));
    p.grain(12);
  } },

  gull: { size: 'square', seed: 5, draw(p) {
    const { c, w, h } = p;
    const [paper, navy, foam] = ['#f3efe4', '#16305a', '#f3efe4'];
    p.fill(paper);
    const [x, y, r] = [w / 2, h / 2, w * 0.38];
    p.circle(navy, x, y, r + 14);
    p.circle(paper, x, y, r + 8);
    c.save();
    c.beginPath(); c.arc(x, y, r, 0, 7); c.clip();
    p.fill(navy);
    for (let i = 0; i < 34; i += 1) p.line(paper, i % 2 ? 1.6 : 2.6, () => { const a = (i / 34) * Math.PI * 2; c.moveTo(x + 40 + Math.cos(a) * 54, y - 44 + Math.sin(a) * 54); c.lineTo(x + 40 + Math.cos(a) * (70 + (i % 3) * 26), y - 44 + Math.sin(a) * (70 + (i % 3) * 26)); });
    p.circle(paper, x + 40, y - 44, 44);
    for (let i = 0; i < 5; i += 1) {
      const top = y + 44 + i * 30;
      p.shape(i % 2 ? foam : navy, () => { c.moveTo(0, h); c.lineTo(0, top); for (let k = 0; k <= 40; k += 1) { const wx = (k / 40) * w; c.lineTo(wx, top + Math.sin(k * 0.62 + i * 1.5) * 13); } c.lineTo(w, h); });
    }
    p.shape(foam, () => { c.moveTo(x - 190, y + 110); c.bezierCurveTo(x - 130, y + 120, x - 120, y + 10, x - 40, y + 16); c.bezierCurveTo(x - 6, y + 20, x + 2, y + 52, x - 20, y + 64); c.bezierCurveTo(x - 8, y + 44, x - 42, y + 34, x - 56, y + 58); c.bezierCurveTo(x - 72, y + 92, x - 30, y + 120, x + 30, y + 116); c.lineTo(x, y + 190); c.lineTo(x - 190, y + 180); });
    for (let i = 0; i < 8; i += 1) p.line(navy, 2.4, () => { c.moveTo(x - 150 + i * 12, y + 118 + i * 2); c.bezierCurveTo(x - 118 + i * 9, y + 96, x - 106 + i * 8, y + 50 + i * 4, x - 62 + i * 4, y + 36 + i * 5); });
    c.restore();
    p.shape(paper, () => { c.moveTo(x - 142, y - 82); c.bezierCurveTo(x - 100, y - 104, x - 66, y - 82, x - 44, y - 46); c.bezierCurveTo(x - 24, y - 92, x + 10, y - 122, x + 66, y - 126); c.bezierCurveTo(x + 26, y - 100, x + 4, y - 62, x - 10, y - 22); c.bezierCurveTo(x - 20, y - 4, x - 46, y - 6, x - 62, y - 14); c.lineTo(x - 84, y - 16); c.lineTo(x - 66, y - 28); c.bezierCurveTo(x - 80, y - 58, x - 104, y - 78, x - 142, y - 82); });
    p.circle(navy, x - 57, y - 22, 3);
    p.line(navy, 2.2, () => { for (let i = 0; i < 5; i += 1) { c.moveTo(x - 30 + i * 9, y - 62 - i * 10); c.lineTo(x - 12 + i * 12, y - 64 - i * 11); } });
    p.grain(9);
  } },

  station: { size: 'wide', seed: 30, draw(p) {
    const { c, w, h } = p;
    p.fill(p.fade(0, 0, 0, h * 0.8, '#2f7fc4', '#6fb4e2', '#cfe9ef'));
    const cloud = (x, y, s) => {
      for (const [color, dx, dy] of [['#b9d3e6', 5, 9], ['#ffffff', 0, 0]]) for (let i = 0; i < 26; i += 1) {
        const a = random(i + x)();
        const b = random(i * 7 + y)();
        p.circle(color, x + (a - 0.5) * 150 * s * (1 - b * 0.55) + dx, y - b * 130 * s + dy, (14 + 22 * random(i * 3 + 1)()) * s);
      }
      p.round('#ffffff', x - 92 * s, y - 12 * s, 184 * s, 26 * s, 13 * s);
    };
    cloud(w * 0.74, h * 0.58, 1.15);
    cloud(w * 0.3, h * 0.6, 0.66);
    cloud(w * 0.98, h * 0.6, 0.7);
    p.ridge('#4e8f6c', h * 0.64, 26, 9);
    p.ridge('#3b7a55', h * 0.68, 14, 14);
    p.shape(p.fade(0, h * 0.66, 0, h * 0.86, '#8fc46a', '#5d9a4c'), () => c.rect(0, h * 0.69, w, h));
    p.alpha(0.7, () => p.line('#b8df85', 1.3, () => { for (let i = 0; i < 240; i += 1) { const x = p.between(0, w); const y = p.between(h * 0.71, h * 0.84); c.moveTo(x, y); c.lineTo(x + p.between(-2, 2), y - p.between(3, 7)); } }));
    p.poly('#7d766f', [0, h * 0.83], [w, h * 0.8], [w, h * 0.85], [0, h * 0.89]);
    p.line('#3a3432', 2.4, () => { c.moveTo(0, h * 0.845); c.lineTo(w, h * 0.813); c.moveTo(0, h * 0.87); c.lineTo(w, h * 0.836); });
    p.poly(p.fade(0, h * 0.86, 0, h, '#d8cdbd', '#a99c8c'), [0, h * 0.91], [w, h * 0.865], [w, h], [0, h]);
    p.poly('#e9c84a', [0, h * 0.925], [w, h * 0.88], [w, h * 0.895], [0, h * 0.945]);
    // The shelter.
    p.poly('#5b3d33', [w * 0.02, h * 0.3], [w * 0.06, h * 0.22], [w * 0.42, h * 0.24], [w * 0.46, h * 0.32]);
    p.poly('#7a5243', [w * 0.02, h * 0.3], [w * 0.46, h * 0.32], [w * 0.46, h * 0.345], [w * 0.02, h * 0.33]);
    for (const fx of [0.07, 0.4]) p.round('#4a342d', w * fx, h * 0.32, 8, h * 0.61 - (fx > 0.3 ? 10 : 0), 1);
    p.round('#efe6d3', w * 0.17, h * 0.37, 74, 22, 2);
    p.round('#2f7fc4', w * 0.17 + 5, h * 0.37 + 13, 64, 4, 1);
    p.round('#8a5c46', w * 0.14, h * 0.78, 128, 7, 2);
    for (const dx of [10, 112]) p.round('#5b3d33', w * 0.14 + dx, h * 0.79, 6, 40, 1);
    // She waits.
    const [x, y] = [w * 0.54, h * 0.58];
    p.alpha(0.25, () => p.oval('#2a2422', x + 8, h * 0.95, 34, 4));
    p.round('#f0c9a8', x - 7, y + 92, 5, 34, 2); p.round('#f0c9a8', x + 3, y + 92, 5, 34, 2);
    p.round('#3a2a2a', x - 9, y + 122, 9, 7, 2); p.round('#3a2a2a', x + 2, y + 122, 9, 7, 2);
    p.poly('#24426e', [x - 11, y + 50], [x + 11, y + 50], [x + 21, y + 96], [x - 21, y + 96]);
    p.poly('#ffffff', [x - 12, y + 20], [x + 12, y + 20], [x + 13, y + 54], [x - 13, y + 54]);
    p.line('#f0c9a8', 4.6, () => { c.moveTo(x - 12, y + 26); c.lineTo(x - 15, y + 58); c.moveTo(x + 12, y + 26); c.lineTo(x + 16, y + 56); });
    p.round('#8d4a36', x + 8, y + 56, 20, 16, 3);
    p.circle('#f0c9a8', x, y + 6, 11);
    p.shape('#2b2026', () => { c.moveTo(x - 13, y + 30); c.bezierCurveTo(x - 18, y - 14, x + 18, y - 14, x + 13, y + 30); c.lineTo(x + 7, y + 24); c.lineTo(x - 7, y + 26); });
    p.oval('#f6e7b4', x, y - 4, 23, 6); p.shape('#f6e7b4', () => { c.moveTo(x - 11, y - 4); c.bezierCurveTo(x - 10, y - 19, x + 10, y - 19, x + 11, y - 4); });
    p.round('#d7361a', x - 11, y - 8, 22, 4, 1);
    p.line('#2b2026', 1.4, () => { c.moveTo(0, h * 0.12); c.quadraticCurveTo(w * 0.5, h * 0.2, w, h * 0.1); c.moveTo(0, h * 0.16); c.quadraticCurveTo(w * 0.5, h * 0.24, w, h * 0.14); });
    p.grain(7);
  } },

  astronaut: { size: 'square', seed: 2, draw(p) {
    const n = 32;
    const s = p.w / n;
    p.fill('#171a3d');
    const dot = (color, x, y, dw = 1, dh = 1) => { p.c.fillStyle = color; p.c.fillRect(x * s, y * s, dw * s, dh * s); };
    for (let i = 0; i < 34; i += 1) dot(['#5a62a8', '#aab2ff', '#39407c'][i % 3], Math.floor(p.between(0, n)), Math.floor(p.between(0, n)));
    const rows = [
      '................................', '......................OO........', '.....................OYYO.......', '......................OO........',
      '................................', '..........LLLLLLLL..............', '........LLWWWWWWWWLL............', '.......LWWWWWWWWWWWWL...........',
      '......LWWWGGGGGGGGWWWS..........', '......LWWGBBBBBBBBGWWS..........', '......WWGBBBBBBBCCBGWS....K...K.', '......WWGBBBBBBBCCBGWS....KK.KK.',
      '......WWGBBBBBBBBCBGWS....KKKKK.', '......WWGBDBBBBBBBBGWS....KEKEK.', '......WWGBDDBBBBBBBGWS....KKPKK.', '......SWWGBBBBBBBBGWWS....KKKKK.',
      '.......SWWGGGGGGGGWWS....KKKKK..', '........SSWWWWWWWWSS.....KKKK...', '.....LWWWSSSSSSSSSWWWL..KKKKK...', '....LWWWWWWWWWWWWWWWWWLWWKKKK...',
      '...LWWWWWWWWWWWWWWWWWWWWWWKKKK..', '...WWWWWWRRRRWWWBBWWWWWWWWS..KK.', '...WWWWWWRYYRWWWGGWWWWWWWS....K.', '...WWWSWWRRRRWWWWWWWWSWWS....KK.',
      '...WWWSWWWWWWWWWWWWWWSWS.....K..', '...WWWSWWWSSSSSSSSWWWSS.........', '...SWWSWWWWWWWWWWWWWWS..........', '....RRSWWWWWWWWWWWWWWS..........',
      '....RRSSWWWWWWWWWWWWSS..........', '......SSWWWWWSSWWWWWSS..........', '.......SWWWWS..SWWWWS...........', '.......SWWWWS..SWWWWS...........',
    ];
    const colors = { L: '#ffffff', W: '#e4e8f7', S: '#9aa3cf', G: '#5c6499', B: '#26356f', C: '#8fd0ff', D: '#3a4f9c', R: '#e0482b', Y: '#ffcf4d', O: '#f0954a', K: '#f0954a', E: '#20203a', P: '#ff9db0' };
    rows.forEach((row, y) => [...row].forEach((cell, x) => { if (colors[cell]) dot(colors[cell], x, y); }));
  } },

  market: { size: 'tall', seed: 41, draw(p) {
    const { c, w, h } = p;
    p.fill(p.fade(0, 0, 0, h, '#161130', '#33204f', '#7a2f4c', '#3a1a35'));
    const house = (x0, x1, top, color) => { p.poly(color, [x0, h], [x0, top], [x1, top], [x1, h]); p.poly(color, [x0 - 14, top + 4], [x0 - 4, top - 14], [x1 + 4, top - 14], [x1 + 14, top + 4]); };
    house(0, w * 0.3, h * 0.26, '#1d1434'); house(w * 0.72, w, h * 0.2, '#1d1434'); house(w * 0.26, w * 0.44, h * 0.44, '#281a42'); house(w * 0.58, w * 0.76, h * 0.4, '#281a42');
    for (let i = 0; i < 26; i += 1) { const left = i % 2; p.alpha(p.between(0.5, 1), () => p.round(['#ffcb6b', '#ff9d52', '#ffe2a0'][i % 3], left ? p.between(6, w * 0.25) : p.between(w * 0.75, w - 16), p.between(h * 0.3, h * 0.72), 9, 13, 1)); }
    p.shape(p.fade(0, h * 0.78, 0, h, '#4a2340', '#180f26'), () => { c.moveTo(0, h); c.lineTo(0, h * 0.8); c.lineTo(w * 0.44, h * 0.74); c.lineTo(w * 0.58, h * 0.74); c.lineTo(w, h * 0.8); c.lineTo(w, h); });
    p.glow(w * 0.51, h * 0.72, 150, 'rgb(255 150 80 / 60%)', 'rgb(255 120 60 / 0%)');
    for (const [x0, x1, y, colors] of [[-8, w * 0.34, h * 0.7, ['#d7361a', '#f6e3c4']], [w * 0.68, w + 8, h * 0.68, ['#2f6f73', '#f6e3c4']]]) {
      const n = 7;
      for (let i = 0; i < n; i += 1) { const a = x0 + ((x1 - x0) * i) / n; const b = x0 + ((x1 - x0) * (i + 1)) / n; p.poly(colors[i % 2], [a, y], [b, y], [b, y + 26], [(a + b) / 2, y + 34], [a, y + 26]); }
      p.shape('#120b1f', () => c.rect(x0, y + 66, x1 - x0, 90));
      p.glow((x0 + x1) / 2, y + 52, 70, 'rgb(255 200 120 / 75%)', 'rgb(255 160 90 / 0%)');
    }
    for (const [x, y, s] of [[0.4, 0.86, 1.15], [0.55, 0.82, 0.9], [0.63, 0.88, 1.25], [0.48, 0.79, 0.7]]) { p.oval('#0f0919', w * x, h * y + 6 * s, 13 * s, 26 * s); p.circle('#0f0919', w * x, h * y - 24 * s, 8 * s); p.shape('#0f0919', () => c.rect(w * x - 9 * s, h * y, 18 * s, 46 * s)); }
    for (const [sag, y0, n] of [[44, 0.16, 6], [58, 0.29, 5], [34, 0.07, 5]]) {
      const at = (k) => [k * w, h * y0 + Math.sin(k * Math.PI) * sag];
      p.line('#0f0919', 1.5, () => { c.moveTo(...at(0)); for (let k = 0; k <= 1.01; k += 0.05) c.lineTo(...at(k)); });
      for (let i = 0; i < n; i += 1) {
        const [x, y] = at((i + 0.6) / n);
        const size = 15 + (i % 3) * 4 + (y0 > 0.2 ? 5 : 0);
        p.glow(x, y + size, size * 3.2, 'rgb(255 150 70 / 60%)', 'rgb(255 120 50 / 0%)');
        p.oval(p.fade(x - size, 0, x + size, 0, '#ffd98a', '#ff6a3a', '#b42c1c'), x, y + size + 4, size, size * 1.12);
        p.line('rgb(120 20 10 / 45%)', 1, () => { for (const k of [-0.5, 0, 0.5]) { c.moveTo(x, y + 5); c.quadraticCurveTo(x + k * size * 1.9, y + size, x, y + size * 2.1 + 4); } });
        p.round('#2a1220', x - size * 0.4, y + 1, size * 0.8, 4, 1); p.round('#2a1220', x - size * 0.4, y + size * 2.05 + 4, size * 0.8, 4, 1);
      }
    }
    p.alpha(0.3, () => p.line('#cfd6ff', 1.1, () => { for (let i = 0; i < 150; i += 1) { const x = p.between(-20, w); const y = p.between(-20, h); c.moveTo(x, y); c.lineTo(x - 5, y + p.between(12, 26)); } }));
    for (let i = 0; i < 40; i += 1) p.alpha(p.between(0.1, 0.45), () => p.oval('#ffa866', p.between(w * 0.2, w * 0.8), p.between(h * 0.84, h), p.between(6, 26), 1.4));
    p.grain(9);
  } },

  oranges: { size: 'broad', seed: 52, draw(p) {
    const { c, w, h } = p;
    p.fill(p.fade(0, 0, w, h, '#f6b7a0', '#ef8f78'));
    const slice = (x, y, r, turn) => {
      p.alpha(0.35, () => p.blur(7, () => p.circle('#8e2c1f', x + 9, y + 12, r)));
      p.circle(p.fade(x - r, y - r, x + r, y + r, '#f7953a', '#dc5a1e'), x, y, r);
      p.circle('#fbe3c2', x, y, r * 0.92);
      for (let i = 0; i < 10; i += 1) {
        const a = turn + (i / 10) * Math.PI * 2;
        const g = c.createRadialGradient(x, y, r * 0.1, x, y, r * 0.86);
        g.addColorStop(0, '#e8622c'); g.addColorStop(0.55, '#c8261f'); g.addColorStop(1, '#7e0f1c');
        p.shape(g, () => { c.moveTo(x + Math.cos(a + 0.31) * r * 0.12, y + Math.sin(a + 0.31) * r * 0.12); c.lineTo(x + Math.cos(a + 0.05) * r * 0.8, y + Math.sin(a + 0.05) * r * 0.8); c.quadraticCurveTo(x + Math.cos(a + 0.314) * r * 0.93, y + Math.sin(a + 0.314) * r * 0.93, x + Math.cos(a + 0.578) * r * 0.8, y + Math.sin(a + 0.578) * r * 0.8); });
        p.alpha(0.3, () => p.line('#ffb08a', 1.2, () => { for (let k = 0; k < 3; k += 1) { const b = a + 0.18 + k * 0.13; c.moveTo(x + Math.cos(b) * r * 0.3, y + Math.sin(b) * r * 0.3); c.lineTo(x + Math.cos(b) * r * (0.55 + 0.1 * p.rnd()), y + Math.sin(b) * r * (0.55 + 0.1 * p.rnd())); } }));
      }
    };
    const whole = (x, y, r) => { p.alpha(0.35, () => p.blur(8, () => p.circle('#8e2c1f', x + 11, y + 14, r))); const g = c.createRadialGradient(x - r * 0.35, y - r * 0.4, r * 0.1, x, y, r); g.addColorStop(0, '#ffc07a'); g.addColorStop(0.5, '#ec6a2a'); g.addColorStop(1, '#a82a1c'); p.circle(g, x, y, r); for (let i = 0; i < 50; i += 1) { const a = p.rnd() * 7; const d = Math.sqrt(p.rnd()) * r * 0.9; p.alpha(0.25, () => p.circle('#8e2415', x + Math.cos(a) * d, y + Math.sin(a) * d, 1)); } };
    slice(w * 0.16, h * 0.2, 82, 0.2); slice(w * 0.86, h * 0.78, 92, 0.9); whole(w * 0.83, h * 0.2, 66); slice(w * 0.12, h * 0.8, 74, 0.5); slice(w * 0.56, h * 0.06, 56, 0.1); whole(w * 0.4, h * 0.98, 58);
    for (const [x, y, t] of [[0.3, 0.42, 0.5], [0.67, 0.42, 2.4], [0.66, 0.94, 3.4], [0.33, 0.1, 5.4]]) { p.alpha(0.3, () => p.oval('#8e2c1f', w * x + 7, h * y + 9, 32, 12, t)); p.oval(p.fade(0, h * y - 14, 0, h * y + 14, '#4f9a5a', '#1e5a3a'), w * x, h * y, 32, 12, t); p.line('#8fce8a', 1.2, () => { c.moveTo(w * x - Math.cos(t) * 28, h * y - Math.sin(t) * 28); c.lineTo(w * x + Math.cos(t) * 28, h * y + Math.sin(t) * 28); }); }
    const [x, y] = [w * 0.485, h * 0.53];
    c.save(); c.translate(x, y); c.rotate(-0.3);
    p.alpha(0.4, () => p.blur(9, () => p.round('#7a2018', -54, -72, 132, 172, 16)));
    p.round(p.fade(-62, 0, 62, 0, '#ffe9c9', '#f3b56c', '#d98a3e'), -62, -82, 124, 164, 16);
    p.alpha(0.8, () => p.round(p.fade(0, -64, 0, 66, '#fff4dd', '#f2a650', '#e07a34'), -50, -66, 100, 134, 9));
    p.alpha(0.65, () => p.round('#ffffff', -44, -60, 12, 120, 6));
    p.round('#2a1a1a', -26, -122, 52, 42, 4); p.alpha(0.4, () => p.round('#ffffff', -20, -118, 7, 34, 3));
    p.round('#fff9ef', -28, -16, 56, 44, 2);
    p.line('#2a1a1a', 1.6, () => { c.moveTo(-16, 0); c.lineTo(16, 0); c.moveTo(-10, 9); c.lineTo(10, 9); });
    p.circle('#d7361a', 0, 18, 3);
    c.restore();
    p.grain(8);
  } },
};

// Called by hand: returns the picture as a WebP file in base64.
async function picture(name, quality) {
  const { size, seed, draw } = pictures[name];
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = sizes[size];
  draw(penOn(canvas, seed));
  return canvas.toDataURL('image/webp', quality).split(',')[1];
}
