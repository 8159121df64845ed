# The model of the flights (t/model/flight.pml), and what spin says of it.

MODEL_FAULTS = -DCRASHES=2 -DSTALLS=1 -DLEAVES=1 -DABANDONS=1 -DEXPIRIES=1 \
               -DUNCACHED=1
MODEL_RUN    = @t/model/run.sh $(BUILD)/model

.PHONY: model model-mutants

model:                    ## the model of the flights, all its states, by spin
	$(MODEL_RUN) holds one_call,safe,all_served -DLEAVES=1
	$(MODEL_RUN) holds safe,all_served $(MODEL_FAULTS)

model-mutants:            ## defects in that model: spin has to find each
	$(MODEL_RUN) fails one_call -DBUG_TWO_LOCKS
	$(MODEL_RUN) fails one_call -DBUG_DONE_FIRST
	$(MODEL_RUN) fails safe -DBUG_SAME_ID -DSTALLS=1
	$(MODEL_RUN) fails safe -DBUG_FINISH_UNCHECKED -DSTALLS=1
	$(MODEL_RUN) fails all_served -DBUG_ENDLESS_LEASE -DCRASHES=1
	$(MODEL_RUN) fails all_served -DBUG_ONE_FLIGHT -DEXPIRIES=1
	$(MODEL_RUN) fails all_served -DBUG_NO_RESULT -DUNCACHED=1
