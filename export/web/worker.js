/**
 * Runs the models beside the page. A classic worker, since LiteRT.js loads its WebAssembly by
 * importScripts, which workers that are modules have not.
 */

const loading = import('./worker_tasks.js');
// One after the other: a video's frames follow from each other.
let last = Promise.resolve();

self.onmessage = ({ data }) => {
  last = last.then(async () => {
    let answer;
    try {
      answer = await (await loading).answerOf(data);
    } catch (error) {
      answer = { error: `${error?.message ?? error}` };
    }
    self.postMessage({ id: data.id, ...answer });
  });
};
