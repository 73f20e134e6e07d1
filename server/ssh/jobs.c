#include "ssh/front_private.h"

struct job {
	uv_work_t request;
	struct tl_ssh_front *front;
	tl_front_work *work;
	void (*done)(void *arg);
	void *arg;
	struct tl_err *err;
};

static void *take_worker(struct tl_ssh_front *front, struct tl_err *err)
{
	void *worker = NULL;

	pthread_mutex_lock(&front->lock);
	if (front->idle_workers > 0)
		worker = front->workers[--front->idle_workers];
	pthread_mutex_unlock(&front->lock);
	if (!worker && front->office.open(front->office.arg, &worker, err) != 0)
		return NULL;
	return worker;
}

static void give_worker(struct tl_ssh_front *front, void *worker)
{
	bool kept = false;

	pthread_mutex_lock(&front->lock);
	if (front->idle_workers < TL_FRONT_WORKERS_MAX) {
		front->workers[front->idle_workers++] = worker;
		kept = true;
	}
	pthread_mutex_unlock(&front->lock);
	if (!kept)
		front->office.close(worker);
}

static void on_work(uv_work_t *request)
{
	struct job *job = request->data;
	void *worker = take_worker(job->front, job->err);

	if (!worker)
		return;
	job->work(worker, job->arg, job->err);
	give_worker(job->front, worker);
}

static void on_done(uv_work_t *request, int status)
{
	struct job *job = request->data;
	struct tl_ssh_front *front = job->front;

	if (status != 0)
		tl_err_set(job->err, TL_ECANCELED, "the relay is stopping");
	job->done(job->arg);
	free(job);
	front->jobs--;
	tl_front_settle(front);
}

void tl_front_job(struct tl_ssh_front *front, tl_front_work *work, void (*done)(void *arg),
		  void *arg, struct tl_err *err)
{
	struct job *job = calloc(1, sizeof(*job));

	/* Without these few bytes nothing can be told to anybody: the allocator's end is ours. */
	if (!job)
		abort();
	*job = (struct job){.front = front, .work = work, .done = done, .arg = arg, .err = err};
	job->request.data = job;
	front->jobs++;
	uv_queue_work(&front->loop, &job->request, on_work, on_done);
}

void tl_front_close_workers(struct tl_ssh_front *front)
{
	while (front->idle_workers > 0)
		front->office.close(front->workers[--front->idle_workers]);
}
