/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "content.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cpulist.h"
#include "fault.h"
#include "log.h"

static void fill_request(struct server_thread *thread, const struct target *target, uint64_t handle)
{
	struct generation *generation = target->node->generation;

	thread->request = (struct request){
		.shown = {.size = sizeof(struct lxcfs_request),
			  .version = LXCFS_ABI_VERSION,
			  .host = generation ? &generation->host : NULL,
			  .instance = generation ? generation->instance : NULL,
			  .path = target_plugin_path(target),
			  .handle = handle},
		.rendering = {.hostfs = thread->server->services.hostfs, .arena = &thread->arena},
		.generation = generation,
	};
}

/* Who asks, by the identity rule that the configuration has for this container. */
static int identify(struct server_thread *thread, uint32_t tid, struct caller *caller,
		    const struct policy **policy)
{
	const struct config *config = thread->catalog->config;
	struct caller_resolver *resolver = thread->server->resolver;
	enum identity_policy identity = config->policy.identity;
	int result = caller_identify(resolver, tid, identity, &thread->arena, caller);

	if (result != 0)
		return result;
	*policy = config_policy(config, caller->container->name);
	if ((*policy)->identity == identity)
		return 0;
	caller_release(caller);
	return caller_identify(resolver, tid, (*policy)->identity, &thread->arena, caller);
}

void content_begin_for(struct server_thread *thread, const struct target *target,
		       struct caller *caller, const struct policy *policy, uint64_t handle)
{
	fill_request(thread, target, handle);
	thread->caller = *caller;
	*caller = (struct caller){.container = NULL};
	thread->request.rendering.container = thread->caller.container;
	thread->request.rendering.policy = policy;
	thread->request.rendering.init_pid = thread->caller.init_pid;
}

/*
 * Whether a limit holds for whoever asks.  Only readers that no container holds are asked about: their
 * session has a cgroup of its own too, but what they want to see is the machine.
 */
static bool is_limited(struct rendering *rendering)
{
	const struct lxcfs_memory_view *memory;
	const struct lxcfs_cpu_view *cpus;
	struct lxcfs_text online;
	struct cpulist list;

	if (rendering->container->host)
		return false;
	if (memory_view_get(rendering, &memory) != 0 || memory->flags & LXCFS_MEMORY_LIMITED)
		return true;
	if (cpu_view_get(rendering, &cpus) != 0 || cpus->period != 0)
		return true;
	return rendering_host_file(rendering, "sys/devices/system/cpu/online", &online) != 0 ||
	       cpulist_parse(rendering->arena, online, &list) != 0 ||
	       cpus->count < cpulist_count(&list);
}

int content_begin(struct server_thread *thread, const struct target *target,
		  const struct asker *asker, uint64_t handle)
{
	const struct policy *policy = NULL;
	struct caller caller = {.container = NULL};
	bool in_host;
	int result = identify(thread, asker->tid, &caller, &policy);

	if (result != 0) {
		log_debug("thread %u asks for %s: who it is cannot be told: %s", asker->tid,
			  target->node->path, strerror(-result));
		return -EIO;
	}
	in_host = caller.in_host_namespaces;
	content_begin_for(thread, target, &caller, policy, handle);
	if (in_host && !is_limited(&thread->request.rendering))
		thread->request.shown.flags |= LXCFS_REQUEST_HOST;
	thread->request.shown.tid = asker->tid;
	thread->request.shown.uid = asker->uid;
	thread->request.shown.gid = asker->gid;
	return 0;
}

void content_begin_anonymous(struct server_thread *thread, const struct target *target,
			     uint64_t handle)
{
	fill_request(thread, target, handle);
}

void content_finish(struct server_thread *thread)
{
	if (thread->caller.container)
		caller_release(&thread->caller);
	thread->caller = (struct caller){.container = NULL};
	arena_reset(&thread->arena);
}

/* The host's own file.  Counted: it is not what the container was promised. */
static int pass_through(struct server_thread *thread, const struct target *target)
{
	struct lxcfs_output *output = &thread->output;
	char path[PATH_MAX];
	struct lxcfs_text text;
	int result = target_host_path(target, path);

	atomic_fetch_add(&thread->server->state.header->passthrough_answers, 1);
	output->length = 0;
	output->status = 0;
	if (result == 0)
		result = rendering_host_file(&thread->request.rendering, path, &text);
	if (result != 0)
		return -EIO;
	return output_append(output, text.data, text.length) != 0 ? -EIO : 0;
}

static bool passthrough_asked(const struct server_thread *thread, const struct target *target)
{
	if (atomic_load_explicit(&thread->server->state.header->passthrough, memory_order_relaxed))
		return true;
	return target->node->generation &&
	       config_passthrough(thread->catalog->config, thread->caller.container->name,
				  target->node->generation->name);
}

static int render(struct server_thread *thread, const struct target *target)
{
	struct generation *generation = target->node->generation;
	int result;

	/* It killed its workers: this one does not try again. */
	if (fault_is_charged(thread) || fault_is_quarantined(thread, generation))
		return -EFAULT;
	output_reset(&thread->output, &generation->host);
	generation_enter(generation);
	if (target->node->kind == NODE_SUBTREE)
		result = target->node->subtree->render(&thread->request.shown, &thread->output);
	else
		result = target->node->file->render(&thread->request.shown, &thread->output);
	generation_leave(generation);
	return result != 0 ? result : thread->output.status;
}

static void log_failure(const struct server_thread *thread, const struct target *target, int result)
{
	const struct generation *generation = target->node->generation;

	/* Said once, when it came to that. */
	if (fault_is_quarantined(thread, generation))
		return;
	log_warning("%s of plugin %s fails for container %s: %s; the reader gets %s",
		    target->node->path, generation->name, thread->caller.container->name,
		    strerror(result < 0 ? -result : result),
		    target->node->on_fault == ON_FAULT_PASSTHROUGH ? "the host's file" : "EIO");
}

int content_render(struct server_thread *thread, const struct target *target)
{
	int result = -ENOENT;

	output_reset(&thread->output, NULL);
	if (target->node->generation && !passthrough_asked(thread, target)) {
		result = render(thread, target);
		if (result == 0)
			return 0;
		log_failure(thread, target, result);
		if (target->node->on_fault != ON_FAULT_PASSTHROUGH)
			return -EIO;
	} else if (target->node->on_fault != ON_FAULT_PASSTHROUGH &&
		   !passthrough_asked(thread, target)) {
		return -EIO;
	}
	output_reset(&thread->output,
		     target->node->generation ? &target->node->generation->host : NULL);
	return pass_through(thread, target);
}

static int list_static(struct server_thread *thread, const struct target *target)
{
	const struct tree *tree = thread->catalog->tree;
	int result = 0;

	for (size_t index = 1; index < tree->count && result == 0; index++) {
		const struct tree_node *node = tree->nodes[index];

		if (node->parent != target->node || !tree_node_has_name(node))
			continue;
		result = directory_add(&thread->directory, node->name,
				       node->kind == NODE_FILE ? S_IFREG : S_IFDIR);
	}
	return result;
}

static int begin_listing(struct server_thread *thread, const struct target *target)
{
	struct generation *generation = target->node->generation;
	int result;

	output_reset(&thread->directory.output, generation ? &generation->host : NULL);
	result = directory_add(&thread->directory, ".", S_IFDIR);
	return result == 0 ? directory_add(&thread->directory, "..", S_IFDIR) : result;
}

static int list_subtree(struct server_thread *thread, const struct target *target)
{
	struct generation *generation = target->node->generation;
	int result;

	if (fault_is_quarantined(thread, generation))
		return -EFAULT;
	generation_enter(generation);
	result = target->node->subtree->readdir(&thread->request.shown, &thread->directory);
	generation_leave(generation);
	return result == 0 ? thread->directory.output.status : result;
}

/* The host's own directory, counted as pass_through() is. */
static int list_host(struct server_thread *thread, const struct target *target)
{
	char path[PATH_MAX];
	int result = target_host_path(target, path);

	atomic_fetch_add(&thread->server->state.header->passthrough_answers, 1);
	if (result == 0)
		result = begin_listing(thread, target);
	if (result == 0)
		result = hostapi_list(thread->server->services.hostfs, path, &thread->directory);
	return result == 0 ? 0 : -EIO;
}

int content_list(struct server_thread *thread, const struct target *target)
{
	struct generation *generation = target->node->generation;
	int result = begin_listing(thread, target);

	if (result != 0)
		return result;
	if (target->node->kind == NODE_DIRECTORY)
		return list_static(thread, target);
	if (generation && !passthrough_asked(thread, target)) {
		result = list_subtree(thread, target);
		/* That it is not there, or not for this reader, is an answer and no fault. */
		if (result == 0 || result == -ENOENT || result == -EACCES)
			return result;
	} else if (passthrough_asked(thread, target)) {
		return list_host(thread, target);
	}
	return target->node->on_fault == ON_FAULT_PASSTHROUGH ? list_host(thread, target) : -EIO;
}

int content_open(struct server_thread *thread, const struct target *target, uint32_t flags)
{
	struct generation *generation = target->node->generation;
	int result;

	if (target->node->kind != NODE_SUBTREE || !generation || !target->node->subtree->open ||
	    passthrough_asked(thread, target))
		return 0;
	if (fault_is_quarantined(thread, generation))
		return target->node->on_fault == ON_FAULT_PASSTHROUGH ? 0 : -EIO;
	generation_enter(generation);
	result = target->node->subtree->open(&thread->request.shown, flags);
	generation_leave(generation);
	return result > 0 ? -EIO : result;
}
