# what is asked before the first job, and not of a plan, which needs no file of the user and takes no time


def foretell_trainings():
    """How long the trainings to be run take where there is no GPU; the number of images is known once the data is."""
    jobs = [job for job in workflow.dag.needrun_jobs() if job.rule.name == "train"]
    dataset = Path(f"{FOLDER}/dataset.json")
    listed = json.loads(dataset.read_text())["lists"] if dataset.is_file() else {}
    planned = []
    for job in jobs:
        experiment, variant, split = (job.wildcards[name] for name in ("experiment", "variant", "split"))
        train = CONFIG.define.experiments[experiment].list_of("train", split)
        images = listed.get(train, {}).get("present")
        planned.append(
            pace.Planned(f"{experiment} {variant} {split}", CONFIG.training_settings(experiment, variant), images)
        )
    return pace.foretell(planned, workflow.cores, max(job.threads for job in jobs)) if jobs else None


onstart:
    if not DATASET.drawn and any(job.rule.name == "convert" for job in workflow.dag.needrun_jobs()):
        if DATASET.brought and (problem := DATASET.lacks(CONFIG.data.folder)):
            raise WorkflowError(problem)
    if not workflow.executor_plugin.common_settings.non_local_exec and (told := foretell_trainings()):
        logger.warning(told)
