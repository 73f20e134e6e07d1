// Uploads a file with tus-js-client: stops once in the middle, and goes on with a new client. The order is JSON
// on standard input, the outcome on standard output.
const fs = require("fs");
const tus = require("tus-js-client");

const order = JSON.parse(fs.readFileSync(0, "utf8"));
let aborted = 0;

function upload(url) {
	const client = new tus.Upload(fs.createReadStream(order.file), {
		endpoint: order.endpoint,
		uploadUrl: url,
		uploadSize: fs.statSync(order.file).size,
		chunkSize: order.chunkSize,
		headers: { Authorization: "Bearer " + order.token },
		metadata: order.metadata,
		retryDelays: [],
		onError(error) {
			console.error(String(error));
			process.exit(1);
		},
		onChunkComplete(size, accepted) {
			if (aborted || accepted >= client.options.uploadSize)
				return;
			aborted = accepted;
			client.abort().then(() => resume(client.url));
		},
		onSuccess() {
			console.log(JSON.stringify({ url: client.url, aborted }));
		},
	});
	client.start();
}

// A stream is read from its beginning: the client skips what the relay has.
function resume(url) {
	upload(url);
}

upload(null);
