"""Versions of our puzzles as somebody else would tell them: right ones in other words, and wrong theories."""

RIGHT = {
    "lamp-next-door": "Ilse's lamp works like a little lighthouse: the fishermen use it to find their way back into the"
    " harbour at night. When it stayed dark they could not land, and they called the village by radio from the sea."
    " People went to her house and found that she had fallen down the stairs.",
    "piano-tuner": "The owner is an old lady who is very lonely. She untunes the piano herself on purpose so that the"
    " tuner must visit her. He has realised this, and now he simply comes as a friend to have coffee with her.",
    "friday-loaf": "Nora's husband checks all her spending and keeps her from having money of her own. The baker"
    " overcharges her card and secretly bakes the difference as cash into the bread. She saved it up until she could"
    " escape from him.",
    "one-vote": "It was his wife who voted against him. He had a weak heart, and another term as mayor would have"
    " killed him. She told him the truth and he understands that she wanted to save him.",
    "tower-clock": "A gang planned to rob a transport of money when the clock struck twelve. The keeper had heard of"
    " their plan, so he moved the clock forward and informed the police. They attacked too early, before the van came,"
    " and were caught.",
    "all-quiet": "The noise is the sound of the refrigeration machines of a store. When it was quiet, the machines had"
    " stopped. The guard did not understand this and did not call anybody, so the vaccines that were stored there"
    " became warm and were ruined.",
    "forty-barbers": "He was once kidnapped and kept blindfolded, so he never saw the man, but he heard him humming a"
    " melody and cutting hair. He goes from barber to barber to find him. In the last shop he recognised the tune.",
    "thirteenth-step": "The old man is blind. He always counts the steps of the stairs. His grandson repaired a missing"
    " step without telling him, and so the count was wrong.",
    "tracks-on-the-lake": "He carried ice skates. He walked through the snow to the middle of the lake, where the wind"
    " had blown the ice free of snow. He put on the skates and crossed the rest of the lake without leaving tracks.",
    "nobody-heard": "The pupils are deaf. Their alarm makes the beds vibrate and lights flash, so they noticed it.",
    "thirteen-off": "During the crossing a woman who was pregnant gave birth, so a baby was born on board.",
    "gate-without-fence": "There is a path across his land. By law, a path that is always open to the public becomes a"
    " right of way. By closing it one day a year he shows it is private and keeps his property.",
    "drifting-finish": "The finish line was on a floating raft that had come loose and was drifting away. The favourite"
    " knew that the tide would turn soon. He just waited until the raft came back to him.",
    "ice-swan": "The chef had stolen the countess's necklace and frozen it in the ice of the swan to smuggle it out of"
    " the hotel. Because it was so hot, the swan melted too early and the necklace was visible to everybody.",
    "smashed-vase": "The vase was a fake. She had made it herself many years ago and sold it as genuine. She feared"
    " that experts would examine it and find out, so she destroyed the evidence.",
}

WRONG = {
    "lamp-next-door": "Ilse puts the lamp there in memory of her lover, who left her eleven years ago. That evening he"
    " came back and the village came to celebrate the wedding with them.",
    "piano-tuner": "Her son is a bad boy who plays with the piano each month. The tuner has had enough and has come to"
    " tell her that he will not work for her again.",
    "one-vote": "His brother was the other candidate and he voted for himself. They are reconciled because the mayor"
    " was tired of the job anyway.",
    "thirteenth-step": "The grandson bought him a new lamp, and the light dazzled him so that he fell on the stairs.",
    "tracks-on-the-lake": "A helicopter picked him up from the middle of the lake with a rope and took him home.",
    "nobody-heard": "They all slept badly that night and smelled the smoke, and the teacher woke them one by one.",
    "drifting-finish": "The others had made a false start and were disqualified, so he could take his time and win.",
    "ice-swan": "The countess had lost a bet with the chef and her ring was in the kitchen.",
}
