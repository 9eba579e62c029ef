"""What `edge-sorter run` shows whoever tries it first: the simulated tray, the shipped model, no help."""

from edge.app import open_session
from edge.commands.truth import TrueItem, score
from edge.commands.watchers import Tally
from edge.config import Config, LedgerConfig, SourceConfig
from tests.replay.rig import counts_per_item
from tests.replay.test_scenes import Events

ITEMS = 20
RIGHT_SHARE = 0.9


def test_the_demonstration_counts_every_item_once_and_sorts_nine_of_ten_right(tmp_path):
    source = SourceConfig(spec="sim:1", sim_items=ITEMS)
    config = Config(source=source, ledger=LedgerConfig(path=str(tmp_path / "ledger.db")))
    tally, events = Tally(), Events()
    with open_session(config, "fast", [tally, events]) as session:
        session.runtime.run(lambda: False)
        shown = session.truth.truth()
    truth = [
        TrueItem(item.label, config.routes[item.label], item.t_in_s, item.t_rest_s, item.t_out_s) for item in shown
    ]
    found = score(truth, tally.items)
    assert (found.items, found.counted_once, found.phantoms) == (ITEMS, ITEMS, 0)
    assert counts_per_item(events.records, [item.t_in_s for item in shown]) == [0] + [1] * ITEMS
    assert found.right / ITEMS >= RIGHT_SHARE, found.describe()
